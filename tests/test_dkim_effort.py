"""inspect, its bounds: the work grows with the input and not faster, and what was left out is said."""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import pytest
from dkim.canonicalization import Relaxed

from dkimctl.dkim import canonical, check
from dkimctl.dkim import mail as mail_module
from dkimctl.dkim.bodychange import BodySearch, older_bodies
from dkimctl.dkim.canonical import BodyForm, body_hashes, canonical_field
from dkimctl.dkim.effort import Effort
from dkimctl.dkim.explain import MOST_OTHERS, MOST_SIGNATURES, MOST_TAGS, exit_code, explain
from dkimctl.dkim.headerchange import HeaderSearch
from dkimctl.dkim.inspection import Inspection
from dkimctl.dkim.mail import Mail, Rest, parse_mail
from dkimctl.errors import CheckFailed
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from dkimctl.record.taglist import parse_signature_tags
from tests.conftest import Dkimctl
from tests.signatures import MESSAGE, signed_by_hand

NOW = datetime.now(UTC)
PAIR = generate(Algorithm.RSA, 2048)
RECORD = record_for(PAIR.public, "rsa", Tags()).text
FIELD = signed_by_hand(MESSAGE, PAIR).partition(b"From:")[0]


def seen(content: bytes, rest: Rest | None = None) -> Inspection:
    """What inspect makes of it."""
    return explain(content, lambda _: (RECORD,), NOW, rest)


def never_read() -> Rest:
    """More, of which nothing is read."""
    return Rest(io.BytesIO(b"more"), 0)


def test_an_effort_counts_and_says_when_it_ends() -> None:
    """Work is counted in octets; what is too much is refused and noted."""
    effort = Effort(10)
    assert [effort.take(n) for n in (6, 5, 4, 1)] == [True, False, True, False]
    assert (effort.taken, effort.is_exhausted) == (10, True)


@pytest.mark.parametrize("signatures", [1, MOST_SIGNATURES])
def test_the_body_is_read_once_for_all_signatures(signatures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many signatures a message has, its body is read once."""
    passes: list[object] = []
    whole = canonical.unix_pieces

    def counted(parts: Iterable[bytes]) -> Iterator[bytes]:
        passes.append(parts)
        return whole(parts)

    monkeypatch.setattr(canonical, "unix_pieces", counted)
    found = seen(FIELD * signatures + MESSAGE)
    assert exit_code(found) == 0
    assert len(passes) == 1


def test_the_search_for_a_changed_body_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty signatures that fail cost the search as much as one."""
    spent = []
    for number in (1, MOST_SIGNATURES):
        searches: list[BodySearch] = []

        def made(mail: Mail, searches: list[BodySearch] = searches) -> BodySearch:
            searches.append(BodySearch(mail))
            return searches[-1]

        monkeypatch.setattr(check, "BodySearch", made)
        seen(FIELD * number + MESSAGE.replace(b"here", b"there"))
        spent.append(searches[0].effort.taken)
    assert spent[0] > 0
    assert spent[0] == spent[1]


def test_a_search_that_was_ended_says_so() -> None:
    """Where not every known change could be tried, the reason says it, and claims nothing."""
    raw = signed_by_hand(MESSAGE, PAIR).replace(b"here", b"there")
    mail = parse_mail(raw)
    form = BodyForm(True, "sha256")
    now = body_hashes(mail, [form])[form]
    search = BodySearch(mail, Effort(0))
    assert "not every known change was tried" in search.difference(form, b"x" * 32, now)
    assert "not every known change" not in BodySearch(mail).difference(form, b"x" * 32, now)


def test_a_header_search_is_bounded() -> None:
    """The attempts of a search are no more than its effort pays for, whatever the header is."""
    fields = b"".join(b"Subject: %d\r\n" % n for n in range(3000))
    raw = signed_by_hand(fields + MESSAGE, PAIR, "a=rsa-sha256; c=simple/simple; h=from:to" + ":subject" * 3000)
    mail = parse_mail(raw.replace(b"bob", b"eve"))
    tags = parse_signature_tags(mail.fields[0].value.decode())
    header = check.header_of(mail, mail.fields[0], tags)
    tried = 0

    def accepts(_: bytes) -> bool:
        nonlocal tried
        tried += 1
        return False

    search = HeaderSearch(mail)
    assert search.change(header, tags, accepts) is None
    assert search.effort.is_exhausted
    assert 0 < tried * sum(map(len, header.pieces)) <= search.effort.taken


def test_equal_fields_take_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands of equal fields, which leave nothing to try, few are canonicalized again for each signature."""
    raw = signed_by_hand(
        b"Received: x\r\n" * 6000 + MESSAGE, PAIR, "a=rsa-sha256; c=relaxed/relaxed; h=from" + ":received" * 6000
    )
    mail = parse_mail(raw.replace(b"Alice", b"Alicf"))
    tags = parse_signature_tags(mail.fields[0].value.decode())
    header = check.header_of(mail, mail.fields[0], tags)
    made = 0

    def counted(raw: bytes, *, relaxed: bool) -> bytes:
        nonlocal made
        made += 1
        return canonical_field(raw, relaxed=relaxed)

    monkeypatch.setattr("dkimctl.dkim.headerchange.canonical_field", counted)
    search = HeaderSearch(mail)
    for _ in range(20):
        assert search.change(header, tags, lambda _: False) is None
    assert search.effort.is_exhausted
    assert made < 6000 * 150


@pytest.mark.parametrize(
    "value",
    [b"", b" \t ", b"a\r\n b", b"a \r\n\t\r\n \r\n  b\t\tc ", b"\r\n a", b"a" + b" \t" * 999 + b"b"],
)
def test_relaxed_fields(value: bytes) -> None:
    """Line ends before a blank go, runs of blanks become one (RFC 6376 §3.4.2), as dkimpy has it."""
    theirs = Relaxed.canonicalize_headers([(b"X-Name ", value + b"\r\n")])[0]
    assert canonical_field(b"X-Name :" + value + b"\r\n", relaxed=True) == theirs[0] + b":" + theirs[1]


@pytest.mark.parametrize("relaxed", [True, False])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n\n",
        b"a",
        b"a \n \nb\t\t c\r\n\r\n\r\n",
        b"\r\n\r\nx\r\n",
        b" \t \n\n",
        b"x" * 3_000_000 + b"\n\n" + b" \n" * 600_000,
        b"a  b\t\n" * 400_000,
        b"\r\r\n\rx\r",
    ],
)
def test_canonical_bodies_are_those_of_dkimpy(body: bytes, relaxed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made in pieces that are cut anywhere, a canonical body is what dkimpy makes of the whole."""
    from dkim.canonicalization import Relaxed, Simple

    mail = Mail((), body, 0)
    form = BodyForm(relaxed, "sha256")
    network = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    theirs = (Relaxed if relaxed else Simple).canonicalize_body(
        network + (b"" if network.endswith(b"\r\n") or not network else b"\r\n")
    )
    ours = [body_hashes(mail, [form])[form]]
    for size in (1, 2, 3, 7) if len(body) < 1000 else (9999,):
        monkeypatch.setattr(mail_module, "_PIECE", size)
        ours.append(body_hashes(mail, [form])[form])
        ours.append(body_hashes(Mail((), body[:5], 0, Rest(io.BytesIO(body[5:]), 1 << 30)), [form])[form])
    assert {one.digest for one in ours} == {hashlib.sha256(theirs).digest()}
    assert len({one.total for one in ours}) == 1


def test_older_bodies_of_long_lines() -> None:
    """A long line that was broken several times is joined again, at every place."""
    long = b"x" * 950
    joined = dict(older_bodies(b"short\n" + long + b"\n " + long + b"\n " + b"y" * 10 + b"\n"))
    assert joined["a line longer than 998 octets was broken (RFC 5321 §4.5.3.1.6)"] == (
        b"short\n" + long + long + b"y" * 10 + b"\n"
    )


# --- what was left out


def test_signatures_left_out_are_named() -> None:
    """Of many signatures the first are verified; the rest is named, bounded in number: exit code 3."""
    other = FIELD.replace(b"s=mail", b"s=other")
    found = seen(FIELD * MOST_SIGNATURES + other * 500 + MESSAGE)
    assert found.passed_over == 500
    assert "d=example.com, s=other" in found.left_out[0]
    assert len(found.left_out) == MOST_OTHERS + 1
    assert found.left_out[-1] == f"{500 - MOST_OTHERS} more signatures"
    assert exit_code(found) == 3


def test_tags_and_fields_left_out_are_counted() -> None:
    """40,000 tags, or thousands of ARC fields, are not all shown, and it is said how many."""
    [signature] = seen(
        b"DKIM-Signature: v=1; " + b"".join(b"x%d=1; " % n for n in range(40_000)) + b"\r\n" + MESSAGE
    ).signatures
    assert (len(signature.tags), signature.more_tags) == (MOST_TAGS, 40_001 - MOST_TAGS)
    twice = seen(b"DKIM-Signature: " + b"x=1; " * 1000 + b"\r\n" + MESSAGE).signatures[0]
    assert any("more mistakes of this kind" in problem for problem in twice.problems)
    assert len(twice.problems) < 40
    endless = seen(b"DKIM-Signature: " + b"; " * 1_000_000 + b"\r\n" + MESSAGE).signatures[0]
    assert "more than 50000 tags: the rest was not read" in endless.problems
    arc = seen(b"ARC-Seal: i=1; cv=none\r\n" * 900 + MESSAGE)
    assert len(arc.signatures) == MOST_OTHERS
    assert arc.left_out == (f"{900 - MOST_OTHERS} more fields of ARC, DKIM2 or DomainKeys",)


def test_a_header_without_end_is_refused() -> None:
    """More fields, or more octets of header, than any mail has: refused in words."""
    with pytest.raises(CheckFailed, match="more than 10000 header fields"):
        seen(b"To: a\r\n" * 20_000 + MESSAGE)
    with pytest.raises(CheckFailed, match="no end of the header in 4 MiB"):
        seen(MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n" + b"To: a\r\n" + b"\tb\r\n" * 1_500_000)


def test_a_message_that_was_not_read_whole() -> None:
    """Without its end the body is not verified, unless l= ends before: said, exit code 3, never "invalid"."""
    raw = signed_by_hand(MESSAGE, PAIR)
    found = seen(raw[:-5], never_read())
    [outcome] = [s.outcome for s in found.signatures if s.outcome]
    assert (outcome.verdict, outcome.body_fits, outcome.header_fits) == ("not verified", None, True)
    assert "was not read" in outcome.reasons[0]
    assert any("it was not read" in words for words in found.left_out)
    assert exit_code(found) == 3
    limited = signed_by_hand(MESSAGE, PAIR, "a=rsa-sha256; l=5; h=from:to")
    assert exit_code(seen(limited[:-5], never_read())) == 0


def test_a_large_file_is_read_in_part(dkimctl_inside: Dkimctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command reads no more than it says, however large the file is."""
    from dkimctl.cli import inspect

    monkeypatch.setattr(inspect, "_KEPT", 1 << 20)
    monkeypatch.setattr(inspect, "_MOST", 1 << 20)
    path = dkimctl_inside.scratch.root / "large.eml"
    path.write_bytes(MESSAGE)
    with path.open("r+b") as file:
        file.truncate(20 << 30)
    run = dkimctl_inside("inspect", path)
    assert run.code == 1
    assert "all that follows the first 1 MiB of the message: it was not read" in run.out.replace("\n  ", " ")


def test_a_large_message_is_verified_without_being_kept() -> None:
    """What follows the part in memory is hashed while it is read; a change there is found, and none is guessed at."""
    raw = signed_by_hand(MESSAGE + b"line\r\n" * 100_000, PAIR)
    found = seen(raw[:5000], Rest(io.BytesIO(raw[5000:]), 1 << 30))
    assert (exit_code(found), found.left_out, found.size) == (0, (), len(raw))
    changed = seen(raw[:5000], Rest(io.BytesIO(raw[5000:].replace(b"line", b"lone", 1)), 1 << 30))
    assert exit_code(changed) == 1
    assert "not every known change was tried" in str(changed.signatures[0].outcome)
    cut = seen(raw[:5000], Rest(io.BytesIO(raw[5000:]), 1 << 10))
    assert exit_code(cut) == 3


def test_a_mailbox_that_was_not_read_whole() -> None:
    """Its last message, which may be cut, is not called changed; what follows is named."""
    raw = signed_by_hand(MESSAGE, PAIR)
    found = seen(b"From a@b.example\n" + raw + b"\nFrom a@b.example\n" + raw[:-5], never_read())
    verdicts = [str(one.outcome.verdict) for m in found.messages for one in m.signatures if one.outcome]
    assert verdicts == ["valid", "not verified"]
    assert any("of the mailbox: it was not read" in words for words in found.left_out)


_IN_CHILD = """
import resource, subprocess, sys
command = [sys.executable, "-m", "dkimctl", *sys.argv[1:]]
ended = subprocess.run(command, stdin=sys.stdin, capture_output=True, text=True)
print(ended.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10, ended.stdout, ended.stderr)
"""


@pytest.mark.parametrize("way", ["file", "stdin", "pipe", "named pipe"])
@pytest.mark.parametrize("is_signed", [True, False], ids=["signed", "not signed"])
def test_memory_does_not_grow_with_what_follows(dkimctl: Dkimctl, way: str, is_signed: bool) -> None:
    """A mail with 20 GB after it, however it is given: at most 200 MiB, and what was not read is named."""
    path = dkimctl.root / "mail"
    path.write_bytes((FIELD if is_signed else b"") + MESSAGE)
    os.truncate(path, 20 << 30)
    fifo = dkimctl.root / "fifo"
    os.mkfifo(fifo)
    source = {"file": str(path), "named pipe": str(fifo)}.get(way, "-")
    cat = f"cat {path}" + (f" > {fifo}" if way == "named pipe" else "")
    with (
        subprocess.Popen(["sh", "-c", f"exec {cat}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as writer,
        path.open("rb") as file,
    ):
        ended = subprocess.run(
            [sys.executable, "-c", _IN_CHILD, "inspect", source, "--nameserver", "127.0.0.1:9"],
            env=dkimctl.scratch.environment(),
            stdin={"stdin": file, "pipe": writer.stdout}.get(way, subprocess.DEVNULL),
            capture_output=True,
            text=True,
            check=True,
        )
        writer.kill()
    code, memory, said = ended.stdout.split(" ", 2)
    assert int(code) == (3 if is_signed else 1), said
    assert int(memory) <= 200
    assert "MiB of the message: it was not read" in said.replace("\n  ", " ")


def test_a_stream_without_anything_yet_is_an_error(dkimctl: Dkimctl) -> None:
    """A pipe that does not block, and holds nothing yet, is a failure in words and no bug; its end is not made up."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    command = [sys.executable, "-m", "dkimctl", "inspect", "-"]
    environment = dkimctl.scratch.environment()
    ended = subprocess.run(command, env=environment, stdin=reading, capture_output=True, text=True)
    assert ended.returncode == 3
    assert ended.stderr.startswith("dkimctl: error: cannot read stdin: ")
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        assert list(Rest(stream, 10).pieces()) == []


def test_records_are_cut_where_dns_ends() -> None:
    """A record over 65,535 octets, or thousands of findings, are judged in part, and it is said."""
    found = seen(b"v=DKIM1; p=" + b"A" * 100_000)
    assert any("first 65535 octets" in words for words in found.left_out)
    many = seen(b"v=DKIM1; " + b"".join(b"x%d=1; " % n for n in range(2000)) + b"p=" + PAIR.public.base64.encode())
    assert len(many.tags) == len(many.findings) == 100
    assert any("more findings" in words for words in many.left_out)
    with pytest.raises(CheckFailed, match="too large for key records"):
        seen(b"v=DKIM1; p=" + b"A" * 300_000)
