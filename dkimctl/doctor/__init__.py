"""The checks of `doctor`, one file for each family, with their catalogue and the safe repairs."""
