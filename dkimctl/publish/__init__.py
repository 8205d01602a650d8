"""Key records brought to the DNS: plan, apply, read back, wait for the name servers, note the phase."""
