"""What this host's mail daemons should be told, compared with what they are told, and put in place.

    desired.desired(settings, store) -> Rendering          everything as a value; nothing is written
    compare.compare(rendering, settings) -> Difference     against what is installed; `.is_empty`
    unified.diff_lines(rendering, difference, settings)    the same for people, as a unified diff
    install.install(rendering, settings, ...) -> Installed files, directories and Postfix settings, with a backup
    tree.write_tree(rendering, directory) -> tuple[Path, ...]  a copy elsewhere

One row up, `host.switch.switch_to(rendering, settings, ...)` does the last step with a dry run before it and the
daemon's reload after it.
"""
