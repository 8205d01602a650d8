"""The manual pages, made from the program when the package is built.

dkimctl(1) and one page for each command, dkimctl.toml(5), dkimctl-findings(7), dkimctl-fleet(7).
"""
