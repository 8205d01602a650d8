"""The life of a key over months: idempotent steps, each with its preconditions."""
