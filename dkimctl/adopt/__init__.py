"""Taking over an opendkim installation that was made by hand, without moving a key or changing a signature.

plan.plan_adoption(world, store, now) -> Adoption     what would be taken over, what stays, and the files to write
other_signer.plan_keys(world, store, now)             the same for a signer that is read by its effective configuration
install.journal                                       the note by which install.undo undoes it
"""
