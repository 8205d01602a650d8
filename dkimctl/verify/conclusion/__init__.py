"""From what the servers said to findings and a verdict."""
