"""The DNS services that the library dns-lexicon knows, by their names there. The only adapter to it is `adapter`."""
