"""Key pairs on this disk: generated, read, listed. Only this package imports `cryptography`."""
