"""`render-config`: compare, write, switch the daemons, prove by a message, and restore everything on failure.

compare.compare(rendering, settings) -> Difference           against what is installed; `is_empty`
unified.diff_lines(rendering, difference, settings)          the same as a unified diff
write.write_tree(rendering, directory) -> paths              a copy elsewhere
write.install(rendering, settings, now=...) -> Installed     files, directories and main.cf, with a backup
switch.switch_to(rendering, settings, clock=...)             dry run, install, and every daemon reloaded
restore.restore(installed, settings)                         undo it
proof.prove(keys, settings, find_record, clock)              which keys the signer does not sign with
undo.undo(journal, settings)                                 undo the last installation of a command, by its note

attempt: a whole installation, from the lock to the proof; transaction: several files, all or none; lock: one run at a
time; staging: doctor's checks before anything is in place; excerpts: the rows that change, as tables of their own;
eligible_keys: those that may sign; leftovers: what killed runs have left; missed: reloads that they did not get to.
without: the configuration without dkimctl, for uninstall; way_back: what would be wrong with it.
"""
