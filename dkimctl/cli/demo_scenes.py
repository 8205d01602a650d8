"""The scenes of the demo: each runs one step with the functions of the real commands, and proves it or raises."""

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dkimctl.cli.demo_mail import sign_a_message, tamper_with_it
from dkimctl.cli.demo_stage import DOMAIN, Stage, demand, sandbox_account
from dkimctl.install.write import install
from dkimctl.keys.ahead import generator
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm
from dkimctl.lifecycle.generation import Failed, KeyRequest, KeyStyle, generate_keys
from dkimctl.names import selector_from_template
from dkimctl.output.demo import Scene
from dkimctl.providers.base import Create, ProviderRecord
from dkimctl.publish.publication import Choices, Publication, PublishOutcome
from dkimctl.publish.publish import publish
from dkimctl.record.published_keys import key_records
from dkimctl.sandbox import Sandbox, Switches
from dkimctl.signers.desired import desired
from dkimctl.verify.check import check
from dkimctl.verify.report import Report, Target

Play = Callable[[Stage], Scene]


def make_a_key(stage: Stage) -> Scene:
    """Make a key pair, with the modes that the daemon requires."""
    selector = selector_from_template(stage.settings.keys.selector, stage.clock.now())
    style = KeyStyle(generator(Algorithm.RSA, stage.settings.keys.bits), Tags())
    (made,) = generate_keys([KeyRequest(DOMAIN, selector)], style, stage.store, now=stage.clock.now())
    if isinstance(made, Failed):
        raise made.error
    private = Path(stage.key.path)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (private.parent, private)}
    demand(list(modes.values()) == [0o700, 0o600], "others can read the key")
    return Scene(
        "A key pair that only the daemon's user can read",
        f"dkimctl genkey {DOMAIN}",
        (
            f"RSA, {stage.settings.keys.bits} bits, selector {selector}",
            *(f"{mode:04o}  {stage.shown(path)}" for path, mode in modes.items()),
        ),
    )


def print_the_record(stage: Stage) -> Scene:
    """Print the key record, which is longer than one string of DNS."""
    (record,) = key_records(stage.settings, stage.store, [DOMAIN])
    lengths = [len(part) for part in record.strings]
    demand("".join(record.strings) == record.text and max(lengths) <= 255, "the record is not cut correctly")
    return Scene(
        "Its record for DNS",
        f"dkimctl record {DOMAIN}",
        (
            record.owner,
            f"{record.text[:48]}...",
            f"{len(record.text)} characters: in DNS {len(lengths)} strings of {' and '.join(map(str, lengths))}",
        ),
    )


def publish_the_record(stage: Stage) -> Scene:
    """Publish the record through the API: as field type DKIM, read back, refreshed, and served."""
    stage.sandbox.clear_calls()
    publication = _publish(stage)
    demand(
        publication.outcome is PublishOutcome.PUBLISHED and bool(publication.served),
        f"not published: {publication.error}",
    )
    calls = [call.method for call in stage.sandbox.calls]
    (stored,) = [r for r in stage.sandbox.zone(DOMAIN).edited if r.sub_domain.endswith("_domainkey")]
    demand(stored.field_type == "DKIM", f"written as {stored.field_type}")
    demand(stored.target == publication.text, "the record came back different")
    return Scene(
        "Published through the OVH-compatible API",
        f"dkimctl publish {DOMAIN} --provider ovh",
        (
            f"{len(calls)} signed API calls: {_counted(calls)}",
            f"field type {stored.field_type}",
            f"{len(publication.text)} characters sent, {len(stored.target)} read back, equal",
            f"zone refreshed, then served by {publication.servers} name servers",
        ),
    )


def publish_again(stage: Stage) -> Scene:
    """Publish a second time: only reads."""
    stage.sandbox.clear_calls()
    publication = _publish(stage)
    calls = [call.method for call in stage.sandbox.calls]
    demand(
        publication.outcome is PublishOutcome.UNCHANGED and not publication.changes, "a second run changed something"
    )
    demand(set(calls) == {"GET"}, f"a second run wrote: {_counted(calls)}")
    return Scene(
        "Published again: nothing to change",
        f"dkimctl publish {DOMAIN} --provider ovh",
        (f"{len(calls)} API calls, all of them reads: {_counted(calls)}",),
    )


def _publish(stage: Stage) -> Publication:
    choices = Choices(timeout=20)
    (publication,) = publish(stage.settings, stage.store, stage.provider, [stage.key], choices, clock=stage.clock)
    return publication


def _counted(methods: list[str]) -> str:
    return ", ".join(f"{methods.count(method)} {method}" for method in dict.fromkeys(methods))


def see_it_in_dns(stage: Stage) -> Scene:
    """Check the record at each authoritative server, over UDP and over TCP, against the key on the disk."""
    lines = []
    for transport in ("UDP", "TCP"):
        report = _look(stage)
        demand(report.is_right, f"DNS does not serve the key: {report.findings}")
        demand(all(answer.over_tcp is (transport == "TCP") for answer in report.answers), f"not asked over {transport}")
        lines += [f"{transport}  {answer.server} ({answer.address}): exactly this key" for answer in report.answers]
        for role in ("ns1", "ns2"):
            stage.sandbox.dns_faults.set(role, "truncate")  # from now on nothing fits into UDP
    stage.sandbox.dns_faults.clear()
    return Scene("Seen at every authoritative server", f"dkimctl verify-dns {DOMAIN}", tuple(lines))


def _look(stage: Stage) -> Report:
    key = stage.key
    target = Target(key.selector, DOMAIN, stage.store.load(key).public, key.metadata.tags)
    (report,) = check([target], stage.settings.lookup)
    return report


def configure(stage: Stage) -> Scene:
    """Write opendkim's files and Postfix's settings."""
    stage.age_main_cf()
    rendering = desired(stage.settings, stage.store)
    installed = install(rendering, stage.settings, now=stage.clock.now())
    demand(not installed.changed.is_empty, "nothing was installed")
    stage.age_main_cf()
    again = install(desired(stage.settings, stage.store), stage.settings, now=stage.clock.now())
    demand(again.changed.is_empty, "a second run changed something")
    table = stage.settings.at(f"{stage.settings.paths.opendkim_directory}/SigningTable").read_text()
    lines = [line for line in table.splitlines() if not line.startswith("#")]
    postfix = [f"main.cf: {name} = {value}" for name, value in rendering.postfix.items()]
    return Scene(
        "opendkim and Postfix configured to sign with it",
        "dkimctl render-config --install",
        (
            *(stage.shown(file.path) for file in rendering.files),
            *(f"SigningTable: {line}" for line in lines),
            *(postfix or ["Postfix is not installed here, so it is not configured"]),
            "a second run changes nothing",
        ),
    )


def fall_into_the_trap(stage: Stage) -> Scene:
    """Show the pitfall: a service that silently cuts long texts. Both publish and verify-dns notice."""
    key = stage.key
    (record,) = key_records(stage.settings, stage.store, [DOMAIN])
    with _cutting(stage) as cut:
        error = _publish(cut).error
        demand(error is not None and "255" in error.message, f"the cut was not noticed at the API: {error}")
        demand(not _look(cut).answers[0].texts, "a broken record was left in the zone")
        zone = cut.provider.zone_of(record.owner)
        cut.provider.apply(zone, [Create(ProviderRecord(record.owner, "TXT", record.text))])
        cut.provider.activate(zone)
        worst = _look(cut).findings[0]
        demand("255" in worst.seen, f"the cut was not noticed in DNS: {worst}")
    assert error is not None
    return Scene(
        "The trap: a service that cuts a long TXT at 255 characters, silently",
        "",
        (
            f"publish: {error.message}",
            f"verify-dns, of a TXT made by hand: {worst.code} {worst.title}: {worst.seen}",
            f"without these checks {key.selector} would sign, and no receiver could verify",
        ),
    )


@contextmanager
def _cutting(stage: Stage) -> Iterator[Stage]:
    """Open the same relay with another account, which cuts texts."""
    with Sandbox(zones=[DOMAIN], switches=Switches(truncate_txt=True, truncate_dkim=True)) as sandbox:
        host, port = sandbox.dns_address
        lookup = replace(stage.settings.lookup, nameservers=(f"{host}:{port}",), port=port)
        provider = sandbox_account(sandbox, stage.clock)
        yield replace(stage, settings=replace(stage.settings, lookup=lookup), sandbox=sandbox, provider=provider)


SCENES: tuple[Play, ...] = (
    make_a_key,
    print_the_record,
    publish_the_record,
    see_it_in_dns,
    publish_again,
    configure,
    sign_a_message,
    tamper_with_it,
    fall_into_the_trap,
)
