"""dkimctl: from nothing to "every mail of my domains is signed and proven to verify"."""
