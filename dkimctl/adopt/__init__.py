"""Taking over an opendkim installation that was made by hand, without moving a key or changing a signature.

plan.plan_adoption(world, store, now) -> Adoption     what would be taken over, what stays, and the files to write
journal.with_note(rendering, settings, now)           its files, and the note from which they can be undone
journal.undo(settings) -> Undone                      every file as it was
"""
