"""Predict what this machine's signer does with mail from one sender, with each decision."""
