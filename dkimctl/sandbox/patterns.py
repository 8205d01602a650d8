"""The API's two pattern languages: SQL's LIKE in list filters, `*` in the paths of rights."""

import re
from functools import lru_cache


def like(pattern: str, text: str, *, ignore_case: bool) -> bool:
    """Match the whole text by SQL's LIKE: `_` is any character, `%` any run of them."""
    return _compiled(pattern, (("_", "."), ("%", ".*")), ignore_case).fullmatch(text) is not None


def glob(pattern: str, path: str) -> bool:
    """Return whether a path matches a pattern in which `*` is any run of characters, slashes included."""
    return _compiled(pattern, (("*", ".*"),), False).fullmatch(path) is not None


@lru_cache(maxsize=512)
def _compiled(pattern: str, wildcards: tuple[tuple[str, str], ...], ignore_case: bool) -> re.Pattern[str]:
    meanings = dict(wildcards)
    expression = "".join(meanings.get(char) or re.escape(char) for char in pattern)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
