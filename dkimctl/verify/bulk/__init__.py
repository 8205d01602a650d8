"""The fast path for long lists: right answers are recognised from their bytes; all else is left to the long way."""
