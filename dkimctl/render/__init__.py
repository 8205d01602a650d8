"""What this host's mail daemons should be told, compared with what they are told, and put in place.

    desired.desired(settings, store) -> Rendering               everything as a value; nothing is written
    compare.compare(rendering, settings) -> Difference          against what is installed; `is_empty`
    unified.diff_lines(rendering, difference, settings)         the same for people, as a unified diff
    tree.write_tree(rendering, directory) -> paths              a copy elsewhere
    install.install(rendering, settings, now=...) -> Installed  files, directories and main.cf, with a backup
    restore.restore(installed, settings)                        and back

Above stands `host.switch.switch_to(rendering, settings, clock=...)`: a dry run before the installation, and the daemons
told after it.
"""
