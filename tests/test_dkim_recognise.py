"""inspect, the input: records, signatures and mail are recognised by their structure, in any wrapping people paste."""

import json
from datetime import UTC, datetime

import pytest

from dkimctl.dkim.explain import exit_code, explain
from dkimctl.dkim.inspection import Inspection
from dkimctl.dkim.recognise import Kind
from dkimctl.errors import CheckFailed
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from tests.signatures import MESSAGE, signed_by_hand

NOW = datetime.now(UTC)
PAIR = generate(Algorithm.RSA, 2048)
P = PAIR.public.base64
RECORD = record_for(PAIR.public, "rsa", Tags("")).text
SECOND = record_for(generate(Algorithm.RSA, 2048).public, "rsa", Tags("")).text
OWNER = "mail._domainkey.example.com"
STRINGS = f'"{RECORD[:250]}" "{RECORD[250:]}"'
ESCAPED = STRINGS.replace(";", "\\;")


def seen(text: str | bytes) -> Inspection:
    """What inspect makes of it."""
    content = text.encode() if isinstance(text, str) else text
    return explain(content, lambda _: (RECORD,), NOW)


DIG = f"""
; <<>> DiG 9.18.28-1~deb12u2-Debian <<>> TXT {OWNER}
;; global options: +cmd
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1234
;; flags: qr rd ra; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags:; udp: 1232
;; QUESTION SECTION:
;{OWNER}.	IN	TXT

;; ANSWER SECTION:
{OWNER}. 3600 IN	TXT	{STRINGS}

;; Query time: 0 msec
;; SERVER: 127.0.0.1#53(127.0.0.1) (UDP)
"""
ALIASED = DIG.replace(
    f"{OWNER}. 3600 IN	TXT", f"{OWNER}. 3600 IN CNAME k1.provider.example.\nk1.provider.example. 60 IN TXT"
)
NSLOOKUP = f"Server:\t\t127.0.0.53\nAddress:\t127.0.0.53#53\n\nNon-authoritative answer:\n{OWNER}\ttext = {STRINGS}\n"
WINDOWS = (
    f"Server:  dns.example\r\nAddress:  192.0.2.1\r\n\r\nNon-authoritative answer:\r\n{OWNER}\ttext =\r\n\r\n"
    f'\t"{RECORD[:250]}"\r\n\t"{RECORD[250:]}"\r\n'
)
POWERSHELL = f"\nName    : {OWNER}\nType    : TXT\nTTL     : 3600\nSection : Answer\nStrings : {{{RECORD}}}\n\n"
HTTPS = json.dumps({"Status": 0, "TC": False, "Answer": [{"name": OWNER, "type": 16, "TTL": 60, "data": STRINGS}]})
ZONE = (
    f'mail._domainkey\tIN\tTXT\t( "{RECORD[:20]}"\n\t  "{RECORD[20:250]}" ; a comment with ) and "\n'
    f'\t"{RECORD[250:]}" )  ; -- key\n'
)


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        (DIG, "the answer of dig"),
        (ALIASED, "the answer of dig"),
        (NSLOOKUP, "the answer of nslookup"),
        (WINDOWS, "the answer of nslookup"),
        (POWERSHELL, "the answer of Resolve-DnsName"),
        (f"{OWNER} descriptive text {STRINGS}\n", "the answer of host"),
        (HTTPS, "the answer of DNS over HTTPS"),
        (json.dumps(json.loads(HTTPS), indent=2), "the answer of DNS over HTTPS"),
        (json.dumps({"fieldType": "TXT", "target": f'"{RECORD}"'}), "JSON of a program"),
        (f"{OWNER}. 3600 IN TXT {STRINGS}", "a line of a zone file"),
        (f"{OWNER}. IN 3600 TXT {STRINGS}", "a line of a zone file"),
        (f"mail._domainkey TXT {ESCAPED}", "a line of a zone file"),
        (f"@ 1h IN TXT {STRINGS} ; note", "a line of a zone file"),
        (f"mail._domainkey IN TXT {RECORD.replace(';', chr(92) + ';').replace(' ', '')}", "a line of a zone file"),
        (ZONE, "lines of a zone file"),
        ("$TTL 300\n" + ZONE + "www IN A 192.0.2.1\n", "lines of a zone file"),
        (STRINGS, ""),
        (f"k1.provider.example.\n{STRINGS}\n", ""),
        (f'( "{RECORD[:250]}"\n  "{RECORD[250:]}" )', ""),
        (RECORD, ""),
        (RECORD.replace("; ", ";"), ""),
        (f"v=DKIM1;k=rsa;h=sha1:sha256;s=*:email;p={P}", ""),
        (f"v=DKIM1; n=https://example.com/dkim; k=rsa; p={P}", ""),
        (f"k=rsa; p={P}", ""),
        (f"p={P}", ""),
        (f"\ufeff{RECORD}\r\n", ""),
        (RECORD.encode("utf-16"), ""),
        (f"\n\n   {RECORD}\n", ""),
    ],
)
def test_a_right_record_in_every_wrapping(text: str | bytes, looks: str) -> None:
    """The same key is found in each, nothing is wrong with it, and what it looks like is said."""
    found = seen(text)
    assert (found.kind, found.looks) == (Kind.RECORD, looks)
    assert not [f for f in found.findings if f.severity == "error"], found.findings
    assert "".join({tag.name: tag.value for tag in found.tags}["p"].split()) == P


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"v=DKIM1 k=rsa; p={P}", "DKIM209"),
        (f"v=DKIM1 h=sha1:sha256 k=rsa p={P}", "DKIM209"),
        (f"_v=DKIM1; k=rsa; p={P}", "DKIM202"),
        (f"“v=DKIM1; k=rsa; p={P}”", "DKIM2"),
        (f"v=DKIM1;\xa0k=rsa; p={P}", "DKIM2"),
        (f"\xa0“v=DKIM1;k=rsa;n=a:b;p={P}”", "DKIM2"),
        (f"\u2018v=DKIM1; k=rsa; p={P}\u2019", "DKIM2"),
        (f"&quot;v=DKIM1; k=rsa; p={P}&quot;", "DKIM2"),
        (f"v=DKIM1; k=rsa; p=-----BEGIN PUBLIC KEY-----{P}-----END PUBLIC KEY-----", "DKIM204"),
        ("selector1-example-com._domainkey.tenant.onmicrosoft.com", "DKIM201"),
        ('"k1._domainkey.provider.example."', "DKIM201"),
        ('"v=spf1 include:_spf.example.com -all"', "DKIM201"),
        ("v=DMARC1; p=none; rua=mailto:a@example.com", "DKIM201"),
    ],
)
def test_a_broken_record_is_no_mail(text: str, code: str) -> None:
    """What is meant as a key record, or is another record, is judged as a record and never as a message."""
    found = seen(text)
    assert found.kind is Kind.RECORD
    assert any(f.code.startswith(code) for f in found.findings), found.findings
    assert exit_code(found) == 1


def test_the_target_of_a_cname() -> None:
    """A host name in a TXT is called what it is."""
    assert "a CNAME's target" in seen("k1._domainkey.provider.example.").looks
    assert any("CNAME to k1.provider.example." in remark for remark in seen(ALIASED).remarks)


def test_two_records_are_both_judged() -> None:
    """Two lines of dig +short are two records: an error of their own (DKIM102), and each is judged."""
    for text in (
        f'"{RECORD}"\n"{SECOND}"\n',
        DIG.replace(";; Query", f'{OWNER}. 3600 IN TXT "{SECOND}"\n\n;; Query'),
        f"{RECORD}\n{SECOND}\n",
        f'mail TXT "{RECORD}"\nmail TXT "{SECOND}"\n',
    ):
        found = seen(text)
        assert [f.code for f in found.findings if f.severity == "error"] == ["DKIM102"]
        assert [record.text for record in found.records] == [RECORD, SECOND]
    broken = seen(f'"{RECORD}"\n"v=DKIM1; k=rsa; p={P[:100]}"\n')
    assert {"DKIM102", "DKIM203"} <= {f.code for f in broken.findings}
    assert [f.subject for f in broken.findings if f.code == "DKIM203"] == ["record 2"]


@pytest.mark.parametrize("order", [1, -1])
def test_halves_of_a_key_as_two_records(order: int) -> None:
    """The halves of one key as two TXT records are recognised in either order, and the fix is one record."""
    halves = [RECORD[:250], RECORD[250:]][::order]
    found = seen("".join(f'"{half}"\n' for half in halves))
    [together] = [f for f in found.findings if f.code == "DKIM102"]
    assert "halves of one key" in together.seen
    assert together.fix == f'publish them as one record of two strings: "{RECORD[:250]}" "{RECORD[250:]}"'
    assert exit_code(found) == 1


def test_without_quotes_a_zone_line_ends_at_the_semicolon() -> None:
    """A zone line without quotes is read as it was meant, with the warning that servers cut it."""
    assert any("comment" in remark for remark in seen(f"mail._domainkey IN TXT {RECORD}").remarks)


def test_answers_without_a_record() -> None:
    """What a DNS tool says of a name that does not exist is repeated, not taken for a message."""
    for text in (
        DIG.partition(";; ANSWER")[0].replace("NOERROR", "NXDOMAIN"),
        "Server:\t127.0.0.53\nAddress:\t127.0.0.53#53\n\n** server can't find x.example: NXDOMAIN\n",
    ):
        with pytest.raises(CheckFailed, match="NXDOMAIN: there is no such name"):
            seen(text)


def test_pem() -> None:
    """A public key in PEM is no record, and the right one is shown; a private key is refused and not repeated."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    key = load_der_public_key(PAIR.public.data)
    for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1):
        found = seen(key.public_bytes(Encoding.PEM, form))
        assert exit_code(found) == 1
        assert "PEM" in found.looks
        assert found.remarks == (f"the record with this key is: v=DKIM1; k=rsa; p={P}",)
    with pytest.raises(CheckFailed, match="this is a private key") as refused:
        seen(PAIR.private_pem)
    assert "MII" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "v=1;a=rsa-sha256;d=example.com;s=mail;h=From:To;bh=AAAA;b=BBBB",
        "DKIM-Signature:v=1;a=rsa-sha256;d=example.com;s=mail;h=From:To;bh=AAAA;b=BBBB",
        "dkim-signature : v=1; a=rsa-sha256;\nd=example.com; s=mail;\nh=From:To; bh=AAAA;\nb=BBBB",
        "\ufeffDKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=mail; h=From; bh=AAAA; b=BBBB",
        "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=mail; h=From; bh=AAAA; b=BBBB; z=" + "a" * 100_000,
        "v=1; a=rsa-sha256; d=example.com; s=mail; h=From; bh=AAAA; b=BBBB; z=" + "Subject:a|" * 20_000,
    ],
)
def test_a_signature_by_itself(text: str) -> None:
    """With or without its name, blanks and folding, and of any size."""
    found = seen(text)
    assert found.kind is Kind.SIGNATURE
    assert {tag.name: tag.value for tag in found.signatures[0].tags}["d"] == "example.com"


MAIL = signed_by_hand(MESSAGE, PAIR)


@pytest.mark.parametrize(
    "text",
    [
        MAIL,
        b"\n\n" + MAIL,
        b"\xef\xbb\xbf" + MAIL,
        b"From alice@example.com Mon Nov 23 10:04:02 2026\r\n" + MAIL + b"\r\n",
        MAIL.replace(b"\r\n", b"\n"),
        b"Return-Path: <a@example.com>\r\n" + MAIL,
    ],
)
def test_a_message(text: bytes) -> None:
    """Also with empty lines or a mark in front, and alone in an mbox: its signature is verified."""
    found = seen(text)
    assert (found.kind, exit_code(found)) == (Kind.MESSAGE, 0)


def test_a_body_with_records_is_a_message() -> None:
    """A mail that talks about key records stays a mail."""
    about = MESSAGE.replace(b"Hello,", f"mail._domainkey IN TXT {STRINGS}".encode())
    assert seen(signed_by_hand(about, PAIR)).kind is Kind.MESSAGE


def test_a_mailbox() -> None:
    """Each message of an mbox is verified; the worst counts; too many are left out, and it is said."""
    one = b"From a@example.com Mon Nov 23 10:04:02 2026\n" + MAIL.replace(b"\r\n", b"\n") + b"\n"
    found = seen(one * 2 + one.replace(b"minutes", b"hours"))
    assert (found.kind, found.looks, exit_code(found)) == (Kind.MAILBOX, "a mailbox (mbox) of 3 messages", 1)
    assert [exit_code(message) for message in found.messages] == [0, 0, 1]
    many = seen(one * 30)
    assert (len(many.messages), many.passed_over, exit_code(many)) == (20, 10, 3)
    assert "10 more messages" in many.left_out[0]
    quoted = one.replace(b"here they", b"\nFrom now on\n\nFrom me: hi").replace(b"Hello,\n", b"Hello,\n\n")
    assert len(seen(quoted + one).messages) == 2


def test_every_mistake_of_a_record_is_shown() -> None:
    """Not only the first: form, version, key and tags are all judged, as far as they can be read."""
    found = seen(f"k=rsa; k=rsa; v=DKIM2; x; n=a\xe9; h=sha1; s=tlsrpt; p={P[:99]}")
    assert {f.code for f in found.findings} >= {
        "DKIM202",
        "DKIM208",
        "DKIM209",
        "DKIM211",
        "DKIM403",
        "DKIM405",
        "DKIM203",
    }
    twice = seen(f"v=DKIM1; a; b; k=rsa; k=rsa; n=x; n=y; p={P}")
    [malformed] = [f for f in twice.findings if f.code == "DKIM202"]
    assert "“a”" in malformed.seen
    assert "“b”" in malformed.seen


def test_a_late_version_is_an_error() -> None:
    """v= must be the first tag (RFC 6376 §3.6.1): exit code 1, with which verifiers mind."""
    found = seen(f"k=rsa; v=DKIM1; p={P}")
    assert [(f.code, f.severity) for f in found.findings] == [("DKIM213", "error")]
    assert exit_code(found) == 1
