"""What Postfix does while a milter does not answer: the values of milter_default_action (postconf(5))."""

from dkimctl.config.settings import MILTER_ACTIONS

_SHUTDOWN_SINCE = {(3, 7): 20, (3, 8): 15, (3, 9): 9, (3, 10): 8}
"""Patch level by version; every version above has it."""


def known_actions(mail_version: str) -> tuple[str, ...]:
    """Return the actions that a version of Postfix, such as `3.10.5`, knows."""
    numbers = [int(part) for part in mail_version.split("-")[0].split(".") if part.isdecimal()]
    major, minor, level = (*numbers, 0, 0, 0)[:3]
    newest = (major, minor) > max(_SHUTDOWN_SINCE)
    has_shutdown = newest or level >= _SHUTDOWN_SINCE.get((major, minor), level + 1)
    return tuple(action for action in MILTER_ACTIONS if has_shutdown or action != "shutdown")
