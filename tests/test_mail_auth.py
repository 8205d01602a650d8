"""`verify-dns --mail-auth`: SPF and DMARC in one look, asked of a real name server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.verify.mail_auth.dmarc import dmarc_problems, is_dmarc
from dkimctl.verify.mail_auth.spf import is_spf, spf_problems
from tests.conftest import DkimctlInside, needs
from tests.dns_servers import Knot, name_servers, txt
from tests.ports import free_port_everywhere

HERE = "127.0.0.1"
SPF, DMARC = "v=spf1 mx -all", "v=DMARC1; p=none"
ZONES = {
    "right.example": txt("@", SPF, "some other record") + txt("_dmarc", DMARC, "not a DMARC record"),
    "bare.example": "",
    "strict.example": txt("@", SPF) + txt("_dmarc", "v=DMARC1; p=reject; adkim=s") + txt("news", SPF),
    "relaxed.example": txt("_dmarc", "v=DMARC1;p=quarantine;adkim=r") + txt("news", SPF),
    "several.example": txt("@", SPF, "v=spf1 -all") + txt("_dmarc", DMARC, "v=DMARC1; p=reject"),
    "broken.example": txt("@", "v=spf1 ipv4:192.0.2.1 -all") + txt("_dmarc", "v=DMARC1; p=maybe"),
    "hostile.example": txt("@", "v=spf1 \x1b[31m\x07 -all") + txt("_dmarc", "v=DMARC1; p=\x1b]0;title\x07"),
}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port at which a knot serves the zones."""
    number = free_port_everywhere(HERE)
    zones = {name: name_servers(HERE) + text for name, text in ZONES.items()}
    knot = Knot(tmp_path_factory.mktemp("mail-auth"), HERE, number, zones).start()
    yield number
    knot.stop()


@needs("knotd")
@pytest.mark.parametrize(
    ("domain", "code", "found"),
    [
        ("right.example", 0, {"DKIM553", "DKIM557", "DKIM559"}),
        ("bare.example", 0, {"DKIM550", "DKIM554", "DKIM560"}),
        ("strict.example", 0, {"DKIM553", "DKIM557", "DKIM559"}),
        ("news.strict.example", 1, {"DKIM553", "DKIM557", "DKIM558"}),
        ("news.relaxed.example", 0, {"DKIM553", "DKIM557", "DKIM559"}),
        ("several.example", 1, {"DKIM551", "DKIM555", "DKIM560"}),
        ("broken.example", 1, {"DKIM552", "DKIM556", "DKIM560"}),
        ("elsewhere.example", 3, {"DKIM561"}),
    ],
)
def test_what_is_there_and_whether_it_counts(
    dkimctl_inside: DkimctlInside, port: int, domain: str, code: int, found: set[str]
) -> None:
    """An error is 1; what no server tells is 3, and never right; a record that is missing is a warning."""
    for name in ("right", "strict", "relaxed"):
        assert dkimctl_inside("genkey", f"{name}.example", "--algorithm", "ed25519", "-q").code == 0
    run = dkimctl_inside("verify-dns", "--mail-auth", domain, "--json", env={"DKIMCTL_NAMESERVERS": f"{HERE}:{port}"})
    assert ({one["code"] for one in run.json["findings"]}, run.code) == (found, code)
    assert all(one["fix"] for one in run.json["findings"] if one["severity"] not in ("ok", "info"))


@needs("knotd")
def test_for_people_and_for_cron(dkimctl_inside: DkimctlInside, port: int) -> None:
    """Text says each record; -q says nothing while nothing is wrong; control characters of a record are escaped."""
    assert dkimctl_inside("genkey", "right.example", "--algorithm", "ed25519", "-q").code == 0
    asked = {"DKIMCTL_NAMESERVERS": f"{HERE}:{port}"}
    run = dkimctl_inside("verify-dns", "right.example", "--mail-auth", env=asked)
    assert (run.code, SPF in run.out, DMARC in run.out) == (0, True, True)
    quiet = dkimctl_inside("verify-dns", "right.example", "--mail-auth", "-q", env=asked)
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    hostile = dkimctl_inside("verify-dns", "hostile.example", "--mail-auth", env=asked)
    assert hostile.code == 1
    assert not any(character in hostile.out for character in "\x1b\x07")


@pytest.mark.parametrize("words", [("-s", "mail"), ("--watch",), ("--format", "nagios"), ("--resume", "notes")])
def test_it_takes_domains_alone(dkimctl_inside: DkimctlInside, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Options about key records are refused, not passed over."""
    run = dkimctl_inside("verify-dns", "--mail-auth", "right.example", *words)
    assert run.code in (2, 3)  # 3: of Nagios
    assert "--mail-auth" in run.err + run.out


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1",
        "V=SPF1 MX -ALL",
        "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ~all",
        "v=spf1 a:mail.example.com/24//64 mx/24 ?ptr include:_spf.example.com",
        "v=spf1 exists:%{ir}.sbl.example.org -all exp=explain.%{d}",
        "v=spf1  redirect=_spf.example.com moo.cow-far_out=man:dog/cat",
        "v=spf1 a mx:example.com -all",
    ],
)
def test_spf_that_parses(text: str) -> None:
    """RFC 7208 §12, doubled blanks and unknown modifiers included."""
    assert is_spf(text)
    assert list(spf_problems(text)) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("v=spf1 ip4:192.0.2.300", "not an address"),
        ("v=spf1 ip4:2001:db8::1", "not an address"),
        ("v=spf1 ip6", "not an address"),
        ("v=spf1 include -all", "no domain"),
        ("v=spf1 include:", "not a domain name"),
        ("v=spf1 all:example.com", "nothing may follow"),
        ("v=spf1 ipv4:192.0.2.1", "no such mechanism"),
        ("v=spf1 mx/40", "prefix length"),
        ("v=spf1 a//129", "prefix length"),
        ("v=spf1 redirect=a.example redirect=b.example", "twice"),
        ("v=spf1 redirect=", "names no domain"),
        ("v=spf1 -all, mx", "not a mechanism"),
        ("v=spf1 192.0.2.1", "not a mechanism"),
    ],
)
def test_spf_that_does_not_parse(text: str, why: str) -> None:
    """Each is a permerror to receivers (RFC 7208 §4.6), and the term is named."""
    assert why in " ".join(spf_problems(text))


def test_which_records_count() -> None:
    """RFC 7208 §4.5 and RFC 7489 §6.6.3: what does not begin so is another record, not a broken one."""
    assert [is_spf(text) for text in ("v=spf10 -all", " v=spf1", "v=spf1-all", "spf1")] == [False] * 4
    assert [is_dmarc(text) for text in ("v=dmarc1; p=none", "p=none; v=DMARC1", "v=DMARC10")] == [False] * 3
    assert is_dmarc("v = DMARC1 ;p=none")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("v=DMARC1; p=none; rua=mailto:a@example.com,mailto:b@example.com!10m; pct=100; fo=1", ""),
        ("v=DMARC1; p=none; x=unknown tags are ignored", ""),
        ("v=DMARC1", "p= is missing"),
        ("v=DMARC1; p=nono", "p= may not be"),
        ("v=DMARC1; p=none; adkim=strict", "adkim= may not be"),
        ("v=DMARC1; p=none; rua=a@example.com", "rua= may not be"),
        ("v=DMARC1; p=none; pct=101", "pct= may not be"),
        ("v=DMARC1; p=none; p=reject", "twice"),
    ],
)
def test_the_form_of_dmarc(text: str, why: str) -> None:
    """RFC 7489 §6.3."""
    said = " ".join(dmarc_problems(text))
    assert (why in said) if why else said == ""
