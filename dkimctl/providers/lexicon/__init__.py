"""The DNS services of the library dns-lexicon, by its names for them. Only `adapter` imports the library."""
