"""Lists in the values of main.cf and master.cf: postconf(5) separates their items by commas, blanks or both."""


def list_items(value: str) -> list[str]:
    """Return the items of a list, in order."""
    return value.replace(",", " ").split()
