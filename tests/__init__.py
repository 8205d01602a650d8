"""The tests. `sh tests/run` runs them all; `tests/conftest.py` has what they share."""
