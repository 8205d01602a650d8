"""Everything for new domains in one go: key, record, proof in DNS, configuration, proof by a signature."""
