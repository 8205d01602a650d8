"""Everything for new domains in one go, step by step."""
