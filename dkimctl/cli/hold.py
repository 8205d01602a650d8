"""`dkimctl hold`: no automatic rotation of a domain until `dkimctl resume`."""

from dkimctl.cli.app import App
from dkimctl.cli.domains import domains_argument
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.holding import set_held


@make_command("hold", example="sudo dkimctl hold example.com")
@domains_argument(required=True)
def command(app: App, domains: tuple[str, ...]) -> int:
    """Stop the rotation of domains until `dkimctl resume`.

    No key is made, switched or removed automatically. Checks continue: a key record that vanishes is still
    reported, and a leaked key is still revoked.
    """
    return set_held(app, domains, is_held=True)
