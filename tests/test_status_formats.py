"""`dkimctl status` for monitoring: --format json, nagios, prometheus; and its lines that name the next command."""

import json
import re
from dataclasses import replace

from dkimctl.clock import SystemClock
from dkimctl.findings import Finding, Severity
from dkimctl.keys.metadata import Phase
from dkimctl.lifecycle.key_status import Keyless, KeyStatus
from dkimctl.lifecycle.next_step import NextStep
from dkimctl.lifecycle.status import Status
from dkimctl.output.status import next_lines
from dkimctl.output.status_machine import nagios_exit_code, nagios_text, prometheus_lines
from tests.conftest import DkimctlInside
from tests.test_lifecycle_status import configure, genkey

KEY = KeyStatus("one.example", "mail", Phase.ACTIVE, None, "rsa", 2048, None, None, None, None)
SIGNS = (Phase.PUBLISHED, Phase.VERIFIED, Phase.ACTIVE)
SAMPLE = re.compile(r'([a-z_]+)(?:\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\})? \d+')


def metrics(text: str) -> set[str]:
    """The names in a text of metrics, of which every line is right: each after its HELP and TYPE, and in one block."""
    names: list[str] = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            names.append(line.split()[2])
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {names[-1]} gauge"
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample is not None, line
            assert sample[1] == names[-1], line
    assert len(names) == len(set(names))
    return set(names)


def problem(severity: Severity, seen: str = "seen") -> Finding:
    """A finding of this severity."""
    return Finding("DKIM950", severity, "a title", "", seen, "")


def signing_key(dkimctl: DkimctlInside) -> None:
    """The key `mail` of one.example, with which the installed tables sign."""
    genkey(dkimctl, "one.example", "mail", *SIGNS)
    table = dkimctl.root / "etc/opendkim/KeyTable"
    table.write_text("one.example one.example:mail:/etc/opendkim/keys/one.example/mail.private\n")


def test_json_is_the_document_of_the_global_option(dkimctl_inside: DkimctlInside) -> None:
    """--format json and --json print the same."""
    genkey(dkimctl_inside, "one.example")
    assert dkimctl_inside("status", "--format", "json").json == dkimctl_inside("status", "--json").json


def test_nagios_says_ok_when_every_domain_signs(dkimctl_inside: DkimctlInside) -> None:
    """One line with performance data, exit 0, and nothing on stderr; a second key that waits is no problem."""
    signing_key(dkimctl_inside)
    genkey(dkimctl_inside, "one.example", "next")
    configure(dkimctl_inside, 'provider = "zonefile:/nowhere"\n')
    run = dkimctl_inside("status", "--format", "nagios")
    [line] = run.out.splitlines()
    assert line.startswith("DKIM KEYS OK - 1 signing, 0 without an active key, 0 findings | generated=1 published=0 ")
    assert (run.code, run.err) == (0, "")


def test_nagios_warns_of_an_active_key_that_no_table_names(dkimctl_inside: DkimctlInside) -> None:
    """As after `uninstall`: what was noted of a key says nothing of what the signer reads."""
    signing_key(dkimctl_inside)
    (dkimctl_inside.root / "etc/opendkim/KeyTable").write_text("")
    run = dkimctl_inside("status", "--format", "nagios")
    assert "one.example: the signer's tables name no key of this domain, so its mail is not signed" in run.out
    assert run.code == 1


def test_nagios_warns_of_a_domain_that_does_not_sign(dkimctl_inside: DkimctlInside) -> None:
    """Exit 1; the first is named in the line, and with -v each has one of its own, with the command that is next."""
    signing_key(dkimctl_inside)
    genkey(dkimctl_inside, "two.example", "mail")
    configure(dkimctl_inside, '[domains."bare.example"]\nprovider = "manual"\n')
    run = dkimctl_inside("status", "--format", "nagios", "-v")
    first, *rest = run.out.splitlines()
    assert first.startswith(
        "DKIM KEYS WARNING - 1 signing, 2 without an active key, 0 findings: bare.example: no active key; "
        "next: dkimctl genkey bare.example; and 1 more | "
    )
    assert rest == [
        "bare.example: no active key; next: dkimctl genkey bare.example",
        "two.example: no active key; next: dkimctl publish two.example",
    ]
    assert (run.code, run.err) == (1, "")
    assert dkimctl_inside("status", "--format", "nagios").out == f"{first}\n"


def test_nagios_says_what_could_not_be_read(dkimctl_inside: DkimctlInside) -> None:
    """Damaged metadata: UNKNOWN, exit 3, as of every plug-in; with an error beside it CRITICAL."""
    genkey(dkimctl_inside, "one.example")
    (dkimctl_inside.root / "etc/opendkim/keys/one.example/mail.json").write_text("{")
    run = dkimctl_inside("status", "--format", "nagios")
    assert (run.code, run.out.startswith("DKIM KEYS UNKNOWN - ")) == (3, True)
    found = Status((KEY,), (), (problem(Severity.UNKNOWN), problem(Severity.ERROR)))
    assert nagios_exit_code(found) == 2


def test_nagios_names_so_many_domains() -> None:
    """10,000 domains that wait are counted: an agent's line has a limit."""
    waiting = tuple(Keyless(f"d{number}.example", f"dkimctl genkey d{number}.example") for number in range(10_000))
    lines = nagios_text(Status((), waiting, ()), verbose=True).splitlines()
    assert (len(lines), lines[-1]) == (22, "and 9980 more")
    assert "; and 9999 more | " in lines[0]


def test_prometheus_reads_the_metrics(dkimctl_inside: DkimctlInside) -> None:
    """Phase, moments and whether the domain signs; exit code and silence as of the table."""
    signing_key(dkimctl_inside)
    genkey(dkimctl_inside, "two.example", "mail", Phase.PUBLISHED)
    configure(dkimctl_inside, '[domains."bare.example"]\nprovider = "manual"\n')
    run = dkimctl_inside("status", "--format", "prometheus")
    assert (run.code, run.err) == (0, "")
    assert metrics(run.out) == {
        "dkimctl_key_info",
        "dkimctl_key_created_timestamp_seconds",
        "dkimctl_key_phase_timestamp_seconds",
        "dkimctl_key_served_timestamp_seconds",
        "dkimctl_key_proven_timestamp_seconds",
        "dkimctl_domain_active",
        "dkimctl_domain_next_step_timestamp_seconds",
        "dkimctl_domain_needs_person",
        "dkimctl_rotate_last_run_timestamp_seconds",
        "dkimctl_status_findings",
        "dkimctl_status_last_check_timestamp_seconds",
    }
    labels = 'domain="one.example",selector="mail"'
    assert f'dkimctl_key_info{{{labels},phase="active",algorithm="ed25519",bits="256",provider=""}} 1\n' in run.out
    assert f"dkimctl_key_phase_timestamp_seconds{{{labels}}} 1795651200\n" in run.out  # 26 November, 00:00 UTC
    active = re.findall(r'dkimctl_domain_active\{domain="(.+)"\} (\d)', run.out)
    assert active == [("bare.example", "0"), ("one.example", "1"), ("two.example", "0")]


def test_a_moment_that_nobody_knows_has_no_sample(dkimctl_inside: DkimctlInside) -> None:
    """A date that someone wrote by hand may be none, or have no offset: no number is made up."""
    for number, created in enumerate(("", "yesterday", "2026-11-01T00:00:00")):
        genkey(dkimctl_inside, f"d{number}.example")
        path = dkimctl_inside.root / f"etc/opendkim/keys/d{number}.example/mail.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "created": created}))
    run = dkimctl_inside("status", "--format", "prometheus")
    assert "dkimctl_key_created_timestamp_seconds{" not in run.out
    assert run.out.count("dkimctl_key_info{") == 3


def test_hostile_names_break_no_format() -> None:
    """What would end a label or a line, or steer a terminal, is escaped."""
    hostile = 'a "b"\n\\c|d\x1b[2J'
    key = replace(KEY, domain=hostile, selector=hostile, provider=hostile, algorithm=hostile, phase=Phase.GENERATED)
    found = Status((key,), (), (problem(Severity.ERROR, hostile),))
    text = "".join(prometheus_lines(found, SystemClock().now()))
    assert "\x1b" not in text
    assert len(metrics(text)) == 11
    lines = nagios_text(found, verbose=True).splitlines()
    assert len(lines) == 3
    assert lines[0].count("|") == 1
    assert not re.search(r"[\x1b|]", "".join(lines[1:]))


def test_problems_come_first(dkimctl_inside: DkimctlInside) -> None:
    """A table of 10,000 keys hides nothing that is below it."""
    genkey(dkimctl_inside, "one.example")
    genkey(dkimctl_inside, "two.example")
    (dkimctl_inside.root / "etc/opendkim/keys/one.example/mail.json").write_text("{")
    out = dkimctl_inside("status").out
    assert out.index("unknown ") < out.index("DOMAIN")


def test_the_line_that_says_what_is_next_names_the_keys_own_provider() -> None:
    """As the document does: keys of another provider have a line of their own, and many of them never mean all."""
    key = replace(KEY, phase=Phase.GENERATED)
    own = [
        replace(key, domain=f"d{number}.example", next=f"dkimctl publish d{number}.example", option="zonefile:/a b")
        for number in range(4)
    ]
    others = [replace(key, domain=f"e{number}.example", next=f"dkimctl publish e{number}.example") for number in "1234"]
    assert next_lines(Status((*own[:1], *others), (), ())) == [
        "1 key not published yet: dkimctl publish d0.example --provider 'zonefile:/a b'",
        "4 keys not published yet, the first 3: dkimctl publish e1.example e2.example e3.example",
    ]
    assert next_lines(Status(tuple(others), (), ())) == ["4 keys not published yet: dkimctl publish"]
    assert next_lines(Status(tuple(own), (), ())) == [
        "4 keys not published yet, the first 3: "
        "dkimctl publish d0.example d1.example d2.example --provider 'zonefile:/a b'",
    ]


def test_nagios_warns_of_what_waits_for_a_person() -> None:
    """A domain that signs and needs someone is no OK; one whose step only waits for its time is."""
    step = NextStep("one.example", "mail", None, None, False, "", "the record of mail is missing", needs_person=True)
    assert nagios_exit_code(Status((KEY,), (), (), (step,))) == 1
    assert "one.example: the record of mail is missing" in nagios_text(Status((KEY,), (), (), (step,)))
    assert nagios_exit_code(Status((KEY,), (), (), (replace(step, needs_person=False),))) == 0


def test_quiet_says_nothing_while_all_is_right(dkimctl_inside: DkimctlInside) -> None:
    """A cron job then mails only when someone has to act; a document is asked for, and printed all the same."""
    signing_key(dkimctl_inside)
    run = dkimctl_inside("status", "-q")
    assert (run.code, run.out, run.err) == (0, "", "")
    assert dkimctl_inside("status", "-q", "--json").json["status"]["keys"]
    genkey(dkimctl_inside, "two.example")
    assert "two.example" in dkimctl_inside("status", "-q").out
