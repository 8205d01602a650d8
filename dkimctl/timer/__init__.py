"""A systemd timer that runs `dkimctl rotate` every day, directories for hooks, and a configuration to begin with.

units        the text of the units; relay_units: of those of a fleet's relay, which syncs and rotates nothing
files        what is to be there; program: the path of dkimctl that they name
init         puts it there, and nothing over what a person wrote; takes exactly that away again
note         what init put there; systemd: starts and stops them; outdated: whether init should be run again
"""
