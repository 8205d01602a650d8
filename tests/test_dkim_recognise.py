"""inspect, the input: records, signatures and mail are recognised by their structure, in any wrapping people paste."""

import json
from datetime import UTC, datetime

import pytest

from dkimctl.dkim.explain import exit_code, explain
from dkimctl.dkim.inspection import Inspection
from dkimctl.dkim.recognise import Kind, recognise
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


SIGNED = "8 4 300 20261201000000 20261101000000 1234 example.com. abcdEFGH1234+/ abcdefg=="
DELV = f"; fully validated\n{OWNER}. 300 IN TXT {STRINGS}\n{OWNER}. 300 IN RRSIG TXT {SIGNED}\n"
TWO = f'"{RECORD[:250]}" "{RECORD[250:]}"'
SHOWN = f"{{{RECORD[:250]}, {RECORD[250:]}}}"
TABLE = "Name             Type   TTL   Section    Strings\r\n----             ----   ---   -------    -------\r\n"
ROUTE53 = {"Name": f"{OWNER}.", "Type": "TXT", "TTL": 300, "ResourceRecords": [{"Value": TWO}]}
AZURE = {"properties": {"TTL": 3600, "TXTRecords": [{"value": [RECORD[:250], RECORD[250:]]}]}}
DATA = RECORD.encode()
COUNTED = b"\xc8" + DATA[:200] + bytes([len(DATA) - 200]) + DATA[200:]
OTHERS = f'$TTL 1h\n@ NS ns1\n@ TXT "v=spf1 -all"\nmail._domainkey TXT {STRINGS}\n_dmarc TXT "v=DMARC1; p=none"\n'
LINES = [RECORD[i : i + 64] for i in range(0, len(RECORD), 64)]


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        (f"| Name | Type | Value |\n|---|---|---|\n| mail._domainkey | TXT | {RECORD} |\n", "a table of Markdown"),
        (f"| Name | Value |\n|---|---|\n| `mail._domainkey` | `{TWO}` |\n", "a table of Markdown"),
        (f"```dns\n{ZONE}```", "code in Markdown"),
        (f"`{RECORD}`", "code in Markdown"),
        ("".join(f"> {line}\n" for line in LINES), "text quoted in a mail"),
        ("".join(f"> > {line}\r\n" for line in LINES), "text quoted in a mail"),
        (f"<tr><td>mail._domainkey</td><td>TXT</td><td>{RECORD}</td></tr>", "a piece of a web page"),
        (f"<code>{RECORD[:250]}<br>\n{RECORD[250:]}</code>", "a piece of a web page"),
        (f"<p>&quot;{RECORD[:250]}&quot; &quot;{RECORD[250:]}&quot;</p>", "a piece of a web page"),
        (f'TXT,mail._domainkey,"""{RECORD[:250]}"" ""{RECORD[250:]}""",3600\n', "a record within other text"),
        (f"Host: mail._domainkey\nTXT Value: {RECORD}\nTTL: 3600\n", "a record within other text"),
        (f"TXT\nmail._domainkey\n{RECORD}\n1 Hour\n", "a record within other text"),
        (
            f"DNS Host name (TXT record name):\nmail._domainkey\nTXT record value:\n{RECORD}",
            "a record within other text",
        ),
        (f'resource "x" "dkim" {{\n  content = "{RECORD}"\n}}\n', "a record within other text"),
        (f'  target = "\\"{RECORD[:250]}\\" \\"{RECORD[250:]}\\""\n', "a record within other text"),
        (f"mail._domainkey:\n  value: {RECORD.replace(';', chr(92) + ';')}\n", "a record within other text"),
        (f"value: >-\n  {RECORD[:250]}\n  {RECORD[250:]}\n", "a record within other text"),
        (f"TXT('mail._domainkey', '{RECORD}'),", "a record within other text"),
        (f"Selector1CNAME : s._domainkey.t.example\nSelector1PublicKey : {RECORD}\n", "a record within other text"),
        (json.dumps({"ResourceRecordSets": [ROUTE53]}), "JSON of a program"),
        (json.dumps(AZURE), "JSON of a program"),
        (f"{TABLE}{OWNER}   TXT    300   Answer     {SHOWN}\r\n", "the answer of Resolve-DnsName"),
        (
            f"Name    : {OWNER}\r\nStrings : {SHOWN[:300]}\r\n          {SHOWN[300:]}\r\n",
            "the answer of Resolve-DnsName",
        ),
        (f"update add {OWNER}. 3600 TXT {TWO}", "a line of a zone file"),
        (f"mail._domainkey\tTXT\t3600\t{RECORD}", "a line of a zone file"),
        (f"mail._domainkey TYPE16 \\# {len(COUNTED)} {COUNTED.hex()}", "a line of a zone file"),
        (OTHERS, "lines of a zone file"),
        (f"{OWNER}.\t1\tIN\tTXT\t{TWO} ; cf_tags=\n", "a line of a zone file"),
        (RECORD.encode("utf-16-le"), ""),
        (DELV, "lines of a zone file"),
        (f"{STRINGS}\nTXT {SIGNED}\n", ""),
        (f"'{OWNER}:{RECORD}:3600", "a line of tinydns-data"),
        (f"'{OWNER}:{RECORD.replace(';', chr(92) + '073').replace('=', chr(92) + '075')}\n", "a line of tinydns-data"),
        (f'txt-record={OWNER},"{RECORD[:250]}","{RECORD[250:]}"\n', "a record within other text"),
        (f'Name,Type,Value,TTL\n{OWNER},TXT,"{RECORD}","300"\n', "a record within other text"),
        (f"mail._domainkey:\n  values:\n    - {RECORD.replace(';', chr(92) + ';')}\n", "a record within other text"),
        (
            RECORD[:70] + "=\n" + RECORD[70:140] + "=\n" + RECORD[140:200] + "=\n" + RECORD[200:],
            "text encoded for a mail",
        ),
        (RECORD.replace("=", "=3D"), "text encoded for a mail"),
    ],
)
def test_a_right_record_among_other_words(text: str | bytes, looks: str) -> None:
    """Records as documents, configuration and panels hold them: what surrounds a record is no part of it."""
    found = seen(text)
    assert (found.kind, found.looks) == (Kind.RECORD, looks)
    assert not [f for f in found.findings if f.severity == "error"], found.findings
    assert "".join({tag.name: tag.value for tag in found.tags}["p"].split()) == P


@pytest.mark.parametrize(
    "text",
    [
        f"'{RECORD}'",
        f"; {RECORD.partition('; ')[2]}",
        f";  p={P}",
        f"k=rsa; p={P}; v=DKIM1",
        f"words k=rsa; p={P}",
        f"&quot;{RECORD}&quot;",
        f'mail._domainkey TXT "\'{RECORD[:200]}" "{RECORD[200:]}\'"',
        f"v%3DDKIM1%3B%20k%3Drsa%3B%20p%3D{P}",
        P,
    ],
)
def test_what_may_be_in_dns_is_judged(text: str) -> None:
    """Marks that panels publish together with the record make it unreadable, and are not left out as its wrapping."""
    found = seen(text)
    assert found.kind is Kind.RECORD
    assert exit_code(found) == 1


def test_records_of_two_selectors_are_not_two_at_one_name() -> None:
    """A zone may hold many keys; only those of one name are too many."""
    first, second = f"s1._domainkey TXT {STRINGS}\n", f"s2._domainkey TXT {STRINGS}\n"
    assert exit_code(seen(first + second)) == 0
    assert "DKIM102" in {f.code for f in seen(first + second + f" TXT {STRINGS}\n").findings}


def test_powershell_cuts() -> None:
    """Its table shows what fits in the window: that is said, with the command that shows all."""
    found = seen(f"{TABLE}{OWNER}   TXT    300   Answer     {{{RECORD[:40]}...\r\n")
    assert exit_code(found) == 1
    assert "-join" in found.remarks[0]


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
        ("dkim=all", "DKIM201"),
        ("o=~; r=postmaster@example.com", "DKIM201"),
        ("google-site-verification=abcDEF-123_456", "DKIM201"),
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


@pytest.mark.parametrize(
    ("status", "words"), [(0, "NOERROR and has no TXT"), (2, "SERVFAIL"), (3, "NXDOMAIN: there is")]
)
def test_dns_over_https_without_an_answer(status: int, words: str) -> None:
    """The response code is repeated; neither that nor other JSON is taken for a message."""
    with pytest.raises(CheckFailed, match=words):
        seen(json.dumps({"Status": status, "Question": [{"name": OWNER, "type": 16}]}))
    with pytest.raises(CheckFailed, match="this is JSON"):
        seen(json.dumps([status]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"v=DKIM1; k=rsa p={P}", "a semicolon is missing before p="),
        (f"v=DKIM1; t=s\tp={P}", "a semicolon is missing before p="),
        (f"v=DKIM1 k=rsa; p={P}", "a semicolon is missing after DKIM1"),
        (f"V=DKIM1; K=rsa; P={P}", "P= is not p=, tag names are case-sensitive"),
    ],
)
def test_why_there_is_no_key_is_said(text: str, words: str) -> None:
    """Where p= is there and cannot be read, the reason is named."""
    assert words in " ".join(f.seen for f in seen(text).findings)


def test_a_string_that_no_zone_file_takes() -> None:
    """More than 255 octets in one string: name servers refuse the file, and a tool that shows it joined them."""
    for text in (f'mail._domainkey IN TXT "{RECORD}"', f'$TTL 60\nmail._domainkey TXT "{RECORD}"\nwww A 192.0.2.1\n'):
        assert any(f"a string of {len(RECORD)} octets" in remark for remark in seen(text).remarks)
    assert seen(ZONE).remarks == ()


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


def test_dns_over_https_names_an_alias_only_where_there_is_one() -> None:
    """The owner's name is no target; a CNAME (type 5) is, with or without its last dot."""
    answer = json.loads(HTTPS)
    for one in answer["Answer"]:
        one["name"] = one["name"].rstrip(".") + "."
    assert seen(json.dumps(answer)).remarks == ()
    answer["Answer"].insert(0, {"name": f"{OWNER}.", "type": 5, "TTL": 300, "data": "k1.provider.example"})
    assert seen(json.dumps(answer)).remarks == ("the name is a CNAME to k1.provider.example",)


@pytest.mark.parametrize("text", ["k=dsa; v=DKIM2; h=md5; s=tlsrpt; p=!!", "p=; k=rsa", "g=*; p=x"])
def test_tags_alone_are_a_record(text: str) -> None:
    """Whatever their values and their order: nothing else looks like that."""
    assert recognise(text.encode()).kind is Kind.RECORD


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"\u201cv=DKIM1; k=rsa; p={P}\u201d", "LEFT DOUBLE QUOTATION MARK, U+201C"),
        (f"v=DKIM1;\u00a0k=rsa; p={P}", "NO-BREAK SPACE, U+00A0"),
        (f"v=DKIM1; k=rsa; p=\u200b{P}", "ZERO WIDTH SPACE, U+200B"),
    ],
)
def test_a_character_that_looks_like_another_is_named(text: str, name: str) -> None:
    """Octets alone tell nobody that a word processor was at work."""
    assert name in " ".join(finding.seen for finding in seen(text).findings)
