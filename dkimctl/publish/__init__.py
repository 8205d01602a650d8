"""Bringing a provider's records to what they should be: plan, apply, read back."""
