"""inspect, the command: codes, key records, signatures and messages, as a user types it."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkimctl.catalogue import CATALOGUE
from dkimctl.dkim.explain import explain
from dkimctl.dkim.signature import FIELD, sign
from dkimctl.errors import DkimctlError
from dkimctl.keys.pair import load
from dkimctl.milter.message import probe_message
from dkimctl.output.inspection import inspection_blocks
from dkimctl.output.plain import plain_lines
from dkimctl.sandbox import Sandbox
from tests.conftest import Dkimctl

SIGNATURE = """\
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=myDomain.tld;
\ts=mail; t=1587627528;
\tbh=sr2tZnTMq+RQUB0SsjkODH8xib0DlR/FxEdswzPuIOU=;
\th=Date:Subject:To:From:From;
\tb=OL/dOjFpPQfG6n6N55YTXNaHIB/wVSIYeZxgE1WR8IfX424eTzsBWaghKd4M2SJR
"""


def test_every_code_is_explained(dkimctl_inside: Dkimctl) -> None:
    """Each code alone, in any case, and all together, within 80 columns; and as JSON."""
    everything = dkimctl_inside("inspect")
    assert everything.code == 0
    assert max(map(len, everything.out.splitlines())) <= 80
    for code, entry in CATALOGUE.items():
        assert f"{code}  {entry.title}" in everything.out.replace("\n  ", " ")
    run = dkimctl_inside("inspect", "dkim203")
    assert run.out.startswith("DKIM203  the key record is truncated (error)")
    assert "OVH" in run.out
    assert dkimctl_inside("inspect", "DKIM203", "--json").json["findings"][0]["code"] == "DKIM203"


def test_an_unknown_code_is_refused(dkimctl_inside: Dkimctl) -> None:
    """A code that does not exist is a usage error with a way out."""
    run = dkimctl_inside("inspect", "DKIM999")
    assert run.code == 2
    assert "dkimctl inspect" in run.err


@pytest.mark.parametrize("text", [SIGNATURE, SIGNATURE.partition(":")[2]])
def test_a_signature_by_itself(dkimctl_inside: Dkimctl, text: str) -> None:
    """The article's signature, with and without the field's name: every tag in words within 80 columns."""
    run = dkimctl_inside("inspect", "-", input=text)
    assert (run.code, run.err) == (0, "")
    assert max(map(len, run.out.splitlines())) <= 80
    for words in ("signing domain (SDID)", "selector", "hash of the canonical body", "signed 2020-04-23 07:38:48 UTC"):
        assert words in run.out.replace("\n      ", " ")
    signature = dkimctl_inside("inspect", "-", "--json", input=text).json["inspection"]["signatures"][0]
    assert [tag["name"] for tag in signature["tags"]] == ["v", "a", "c", "d", "s", "t", "bh", "h", "b"]
    assert all(tag["words"] for tag in signature["tags"])


def test_a_malformed_signature_by_itself(dkimctl_inside: Dkimctl) -> None:
    """What is wrong with it is told, exit code 1."""
    run = dkimctl_inside("inspect", "-", input=SIGNATURE.replace("s=mail;", ""))
    assert run.code == 1
    assert "the tag s= is missing" in run.out


@pytest.mark.parametrize("form", ["oneline", "zone", "ovh"])
def test_a_key_record_in_each_form(dkimctl_inside: Dkimctl, form: str) -> None:
    """As a zone file, `dig` or a provider shows it: tags in words, nothing wrong."""
    dkimctl_inside("genkey", "example.com", "-s", "mail")
    record = dkimctl_inside("record", "example.com", "--format", form).out
    if form == "ovh":
        record = record.splitlines()[-1].partition("v=DKIM1")[1] + record.partition("v=DKIM1")[2]
    run = dkimctl_inside("inspect", "-", input=record)
    assert (run.code, run.err) == (0, ""), run.out
    assert "an RSA key" in run.out
    assert "nothing is wrong with it" in run.out


def test_a_truncated_key_record(dkimctl_inside: Dkimctl) -> None:
    """The pitfall of the article is found in what `dig` printed, exit code 1."""
    dkimctl_inside("genkey", "example.com", "-s", "mail")
    whole = dkimctl_inside("record", "example.com", "--format", "oneline").out.partition('"')[2]
    run = dkimctl_inside("inspect", "-", input=f'"{whole[:255]}"\n')
    assert run.code == 1
    assert "DKIM203" in run.out


def test_another_kind_of_record(dkimctl_inside: Dkimctl) -> None:
    """A TXT record that is no key record is told from a broken one."""
    run = dkimctl_inside("inspect", "-", input='"v=spf1 -all"\n')
    assert run.code == 1
    assert "DKIM201  not a key record" in run.out


def test_a_message_with_the_key_from_dns(dkimctl_inside: Dkimctl, tmp_path: Path) -> None:
    """Verified with what the name server says; changed on the way, the change is named and -v shows what was hashed."""
    with Sandbox(zones=["example.com"]) as sandbox:
        env = sandbox.environment()
        dkimctl_inside("genkey", "example.com", "-s", "mail", env=env)
        assert dkimctl_inside("publish", "example.com", "--provider", "ovh", env=env).code == 0
        pair = load(dkimctl_inside.scratch.root / "etc/opendkim/keys/example.com/mail.private")
        message = probe_message("example.com", datetime.now(UTC))
        raw = message.with_header(FIELD, sign(message.raw, "example.com", "mail", pair)).raw
        mail = tmp_path / "mail.eml"
        mail.write_bytes(raw)
        right = dkimctl_inside("inspect", mail, env=env)
        assert (right.code, right.err) == (0, "")
        assert "valid: example.com (s=mail)" in right.out
        mail.write_bytes(raw + b"footer\r\n")
        wrong = dkimctl_inside("inspect", mail, "-v", env=env)
        assert wrong.code == 1
        assert "1 line was added at its end, with “footer”" in wrong.out.replace("\n           ", " ")
        assert "|footer␍␊" in wrong.out
        outcome = dkimctl_inside("inspect", mail, "--json", env=env).json["inspection"]["signatures"][0]["outcome"]
        assert (outcome["verdict"], outcome["header_fits"], outcome["body_fits"]) == ("invalid", True, False)
    mail.write_bytes(raw)
    silent = dkimctl_inside("inspect", mail, env=env)
    assert silent.code == 3
    assert "not verified" in silent.out


def test_a_message_without_signature(dkimctl_inside: Dkimctl) -> None:
    """Not signed is exit code 1, in words."""
    run = dkimctl_inside("inspect", "-", input="From: a@example.com\n\nHello\n")
    assert run.code == 1
    assert "no DKIM-Signature" in run.out


@pytest.mark.parametrize(
    ("arguments", "code"), [(("nothing.eml",), 3), (("a.eml", "b.eml"), 2), (("/",), 3), (("DKIM203", "x.eml"), 2)]
)
def test_wrong_arguments(dkimctl_inside: Dkimctl, arguments: tuple[str, ...], code: int) -> None:
    """A file that is not there, several files, a directory: an error with a hint, never a traceback."""
    run = dkimctl_inside("inspect", *arguments)
    assert (run.code, run.out) == (code, "")
    assert "dkimctl: hint:" in run.err


@pytest.mark.parametrize("field", ["ARC-Seal: i=1; cv=none", "DKIM2-Signature: i=1; d=a", "Message-Instance: m=1"])
def test_another_field_by_itself(dkimctl_inside: Dkimctl, field: str) -> None:
    """A field of ARC or DKIM2 is named as such, also without its message."""
    run = dkimctl_inside("inspect", "-", input=field)
    assert (run.code, run.out.startswith(field.partition(":")[0]), "message of" in run.out) == (0, True, False), run.out


@pytest.mark.parametrize("text", ['v=DKIM1; p="\\³"', '"\\5"; v=DKIM1', "p=\\٣", 'v=DKIM1; n="\\999"; p='])
def test_odd_escapes(dkimctl_inside: Dkimctl, text: str) -> None:
    """What is no escape of a zone file is a broken record, and no bug."""
    assert dkimctl_inside("inspect", "-", input=text).code in (0, 1)


@given(st.binary(max_size=400))
def test_anything_at_all(content: bytes) -> None:
    """Any octets are explained, or refused in words."""
    for prefix in (b"", b'v=DKIM1; p="', b"DKIM-Signature: v=1; bh=", b"From: a@b.example\r\nDKIM-Signature: v=1; b="):
        with suppress(DkimctlError):
            explained = explain(prefix + content, lambda owner: (), datetime.now(UTC))
            assert "".join(plain_lines(inspection_blocks(explained, 2)))
