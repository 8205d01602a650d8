"""What the signer of this machine will do with mail from one sender, and each decision that leads there."""
