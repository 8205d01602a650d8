"""Publish key records in DNS: plan, apply, read back, wait for the name servers, record the phase."""
