"""The checks of `doctor`: one file for each family; each yields what it noticed."""
