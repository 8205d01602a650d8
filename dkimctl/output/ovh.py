"""OVH's credentials as text for people, within 80 columns."""

import textwrap
from collections.abc import Iterable

from dkimctl.catalogue.ovh_credential import NO_ZONE
from dkimctl.findings import Severity
from dkimctl.output.findings import finding_text
from dkimctl.output.terminal import Terminal
from dkimctl.providers.ovh.grants import Rule
from dkimctl.providers.ovh.login import Login, Pending
from dkimctl.providers.ovh.whoami import Identity


def rules_text(rules: Iterable[Rule], indent: str = "") -> str:
    """A rule a line."""
    return "".join(f"{indent}{rule.method:6} {rule.path}\n" for rule in rules)


def show_pending(pending: Pending, terminal: Terminal) -> None:
    """The address to open, at once, whoever reads: with `--json` on stderr, where it is not in the document's way."""
    if terminal.json:
        terminal.warning(f"to validate the consumer key, open {pending.url}")
        return
    terminal.result(
        "Open this address, log in to the OVH account that has the zones, choose how long\n"
        "the consumer key may live (Unlimited, or you will be reminded), and allow it:\n\n"
        f"  {pending.url}\n\n"
        f"It asks for these rights and no others:\n\n{rules_text(pending.rules, '  ')}"
    )
    terminal.flush()
    terminal.note(f"waiting for that for up to {pending.timeout:g} s; nothing is stored before")


def login_text(login: Login) -> str:
    """Where the key is, for what, until when."""
    until = f"until {login.credential.expires}" if login.credential.expires else "without end"
    lines = [f"{login.result} in {login.path}: a consumer key for {', '.join(login.zones)}, {until}"]
    if login.result == "kept":
        lines.append("it has every right that is needed: nothing was asked for")
    if login.backup:
        lines.append(f"the file as it was before: {login.backup}")
    worth = [found for found in login.credential.findings if found.severity is not Severity.INFO]
    return "\n".join(lines) + "\n" + "".join(map(finding_text, worth))


def identity_text(identity: Identity) -> str:
    """Who it is, what it may do, what it lacks."""
    number = f" {identity.id}" if identity.id is not None else ""
    lines = [f"{identity.kind}{number} at {identity.endpoint}: {identity.status}\n"]
    if identity.kind == "consumer key" and identity.status == "validated":
        lines.append(_facts(identity))
    strange = {found.subject for found in identity.findings if found.code == NO_ZONE.code}
    for zone in identity.zones:
        if zone.zone in strange:
            lines.append(f"  {zone.zone}: not in this account\n")
        elif not zone.missing:
            lines.append(f"  {zone.zone}: {_complete(identity)}\n")
        else:
            lines.append(f"  {zone.zone}: lacks\n" + "".join(f"    {right}\n" for right in zone.missing))
    if identity.kind == "consumer key" and identity.status == "validated" and not identity.zones:
        lines.append("  its rules name no zone: dkimctl ovh whoami ZONE says whether they do for one\n")
    return "".join([*lines, *map(finding_text, identity.findings)])


def _complete(identity: Identity) -> str:
    return "every right that is needed" if identity.kind == "consumer key" else "may be read; writing was not tried"


def _facts(identity: Identity) -> str:
    ends = "never" if identity.expires is None else f"{identity.expires} (in {identity.days_left} days)"
    facts = {
        "made": identity.created or "not known",
        "ends": ends,
        "last use": identity.last_use or "never",
        "from": ", ".join(identity.allowed_ips) or "any address",
    }
    lines = [
        textwrap.fill(f"  {name:9} {value}", 80, subsequent_indent=" " * 12) + "\n" for name, value in facts.items()
    ]
    return "".join(lines) + "  may\n" + rules_text(identity.rules, "    ")
