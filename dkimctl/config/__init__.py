"""What the admin wants: a TOML file, the environment and the command line, as one frozen Settings."""
