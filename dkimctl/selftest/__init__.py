"""Messages from managed domains, sent as real ones are, and their signatures verified."""
