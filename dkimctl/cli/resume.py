"""`dkimctl resume`: rotate the keys of a domain automatically again."""

from dkimctl.cli.app import App
from dkimctl.cli.domains import domains_argument
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.holding import set_held


@make_command("resume", example="sudo dkimctl resume example.com")
@domains_argument(required=True)
def command(app: App, domains: tuple[str, ...]) -> int:
    """Let `dkimctl rotate` rotate the keys of domains again.

    The keys of an adopted installation are rotated only after this command, which confirms that no other host signs
    with them.
    """
    return set_held(app, domains, is_held=False)
