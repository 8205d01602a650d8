"""Messages from managed domains, handed in as real ones are, and their signatures verified."""
