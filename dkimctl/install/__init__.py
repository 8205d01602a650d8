"""`render-config`: compare, write, switch the daemons, prove by a message, and restore everything on failure.

compare.compare(rendering, settings) -> Difference           against what is installed; `is_empty`
unified.diff_lines(rendering, difference, settings)          the same as a unified diff
write.write_tree(rendering, directory) -> paths              a copy elsewhere
write.install(rendering, settings, now=...) -> Installed     files, directories and main.cf, with a backup
switch.switch_to(rendering, settings, clock=...)             dry run, install, and every daemon reloaded
restore.restore(installed, settings)                         undo it
"""
