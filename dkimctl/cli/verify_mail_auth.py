"""`verify-dns --mail-auth`: SPF, DMARC, and whether DMARC counts the signature."""

from contextlib import suppress

from dkimctl.cli.app import App
from dkimctl.cli.domains import managed_domains


def show_mail_auth(app: App, form: str, domains: tuple[str, ...], **which: object) -> int:
    """Show the findings of each domain; return the exit code. Raises UsageError for options about key records."""
    from dkimctl.errors import UsageError
    from dkimctl.findings import NOTHING_WRONG, exit_code
    from dkimctl.output.doctor import diagnosis_blocks
    from dkimctl.verify.mail_auth import look

    if any(which.values()) or form not in ("text", "json"):
        hint = "dkimctl verify-dns --mail-auth example.com, with --json for programs"
        raise UsageError("--mail-auth takes domains, and no option about key records or other formats", hint=hint)
    app.json = app.json or form == "json"
    signing = _signing_domains(app)
    found = [one for domain in managed_domains(app, domains) for one in look(domain, signing, app.settings.lookup)]
    if not app.is_quiet or not NOTHING_WRONG.issuperset(one.severity for one in found):
        app.terminal.show(diagnosis_blocks(found, verbose=True))
    app.terminal.document("findings", found)
    return exit_code(found)


def _signing_domains(app: App) -> frozenset[str]:
    """Return the domains that the signer's tables name, or that have a key; what cannot be read is left out."""
    from dkimctl.errors import DkimctlError
    from dkimctl.install.eligible_keys import installed_keys

    found: set[str] = set()
    with suppress(DkimctlError):
        found.update(domain for domain, _ in installed_keys(app.settings))
    with suppress(DkimctlError):
        found.update(app.store.domains())
    return frozenset(found)
