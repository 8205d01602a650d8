"""A client of the milter protocol: shows one message to a signer, as Postfix would, and reads its answer."""
