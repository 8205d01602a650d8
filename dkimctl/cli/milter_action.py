"""The option `--milter-default-action` of commands that configure Postfix."""

from collections.abc import Callable
from typing import Any

import click

from dkimctl.config.settings import MILTER_ACTIONS


def milter_action_option(body: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option."""
    return click.option(
        "--milter-default-action",
        type=click.Choice(MILTER_ACTIONS),
        help="What Postfix does while the signer is down (default tempfail: mail waits, none is sent unsigned).",
    )(body)
