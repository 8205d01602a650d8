"""A systemd timer that runs `dkimctl rotate` every day, directories for hooks, and a configuration to begin with.

units    the text of the units
files    what is to be there
init     puts it there, and nothing over what a person wrote; takes exactly that away again
"""
