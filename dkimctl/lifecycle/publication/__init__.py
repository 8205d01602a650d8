"""What is done to publish keys: plan, write, prove, wait for the name servers, keep the books."""
