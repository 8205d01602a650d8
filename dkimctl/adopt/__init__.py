"""Taking over an opendkim installation that was made by hand, without moving a key or changing a signature.

plan.plan_adoption(world, store, now) -> Adoption     what would be taken over, what stays, and the files to write
install.journal                                       the note from which its files can be undone
"""
