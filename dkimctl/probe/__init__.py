"""Does a real message get a signature that verifies? The only door to dkimpy."""
