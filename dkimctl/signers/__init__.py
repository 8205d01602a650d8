"""The daemons that sign: for each, what to write, how to try it, and how to make it read its files again.

desired.desired(settings, store) -> Rendering    the whole configuration of this host, as a value
registry.signer_named(name) -> Signer            one folder for each: opendkim, rspamd, dkimpy
"""
