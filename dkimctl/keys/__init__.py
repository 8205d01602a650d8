"""The key pairs on this disk: made, read, listed. The only door to `cryptography`."""
