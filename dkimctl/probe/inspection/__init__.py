"""A signature, a key record or a whole message explained: every tag in words, and why a signature fails."""
