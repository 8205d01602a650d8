"""OVH's credentials for people."""

from collections.abc import Iterable, Iterator

from dkimctl.catalogue.ovh_credential import NO_ZONE
from dkimctl.findings import Severity
from dkimctl.names import counted
from dkimctl.output.findings import finding_blocks
from dkimctl.output.layout import GAP, Block, Line, Prose, Tone, heading, labelled, lines, message, paragraph
from dkimctl.output.progress import Meter
from dkimctl.output.terminal import Terminal
from dkimctl.providers.ovh.grants import Rule
from dkimctl.providers.ovh.login import Login, Pending
from dkimctl.providers.ovh.whoami import Identity


def rule_lines(rules: Iterable[Rule], indent: int = 0) -> list[Line]:
    """Return a line for each rule."""
    return [Line(f"{'':{indent}}{rule.method:6} {rule.path}") for rule in rules]


def show_pending(pending: Pending, terminal: Terminal, meter: Meter) -> None:
    """Show the address to open at once; with `--json` on stderr, outside the document."""
    if terminal.json:
        terminal.warning(f"to validate the consumer key, open {pending.url}")
        return
    intro = lines(
        "Open this address, log in to the OVH account that has the zones, choose how long\n"
        "the consumer key may live (Unlimited, or you will be reminded), and allow it:"
    )
    address = Line(f"  {pending.url}", Tone.HINT)
    rights = paragraph("It asks for these rights and no others:")
    terminal.show([*intro, GAP, address, GAP, rights, GAP, *rule_lines(pending.rules, 2)])
    terminal.flush()
    meter.step(f"waiting up to {pending.timeout:g} s until the key is allowed; nothing is stored before")


def login_blocks(login: Login) -> Iterator[Block]:
    """Return where the key is stored, for which zones, and when it expires."""
    until = f"until {login.credential.expires}" if login.credential.expires else "without end"
    yield message(f"{login.result} in {login.path}: a consumer key for {', '.join(login.zones)}, {until}")
    if login.result == "kept":
        yield message("it has every right that is needed: nothing was asked for")
    if login.backup:
        yield message(f"the file as it was before: {login.backup}")
    for found in login.credential.findings:
        if found.severity is not Severity.INFO:
            yield from finding_blocks(found)


def identity_blocks(identity: Identity) -> Iterator[Block]:
    """Return what the credential is, what it may do, and what it lacks."""
    number = f" {identity.id}" if identity.id is not None else ""
    is_validated = identity.kind == "consumer key" and identity.status == "validated"
    yield heading(f"{identity.kind}{number} at {identity.endpoint}: {identity.status}")
    if is_validated:
        yield from _facts(identity)
    strange = {found.subject for found in identity.findings if found.code == NO_ZONE.code}
    for zone in identity.zones:
        if zone.zone in strange:
            yield heading(f"{zone.zone}: not in this account", Tone.ERROR, margin=2)
        elif not zone.missing:
            yield heading(f"{zone.zone}: {_complete(identity)}", Tone.OK, margin=2)
        else:
            yield heading(f"{zone.zone}: lacks", Tone.WARNING, margin=2)
            yield from (Line(f"    {right}") for right in zone.missing)
    if is_validated and not identity.zones:
        text = "its rules name no zone; to check one: dkimctl ovh whoami ZONE"
        yield Prose(text, "  ", 2, one_line_in_pipes=True)
    for found in identity.findings:
        yield from finding_blocks(found)


def _complete(identity: Identity) -> str:
    return "every right that is needed" if identity.kind == "consumer key" else "may be read; writing was not tried"


def _facts(identity: Identity) -> Iterator[Block]:
    ends = "never" if identity.expires is None else f"{identity.expires} (in {counted(identity.days_left or 0, 'day')})"
    facts = {
        "made": identity.created or "not known",
        "ends": ends,
        "last use": identity.last_use or "never",
        "from": ", ".join(identity.allowed_ips) or "any address",
    }
    for name, value in facts.items():
        yield labelled(name, value, 12, margin=2)
    yield heading("may", Tone.FAINT, margin=2)
    yield from rule_lines(identity.rules, 4)
