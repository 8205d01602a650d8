"""Zone files that a name server writes itself, zone cuts in a file, and files that no name server loads."""

import subprocess
from pathlib import Path

import dns.query
import dns.tsig
import dns.update
import pytest

from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, Refused
from dkimctl.providers.base import Create, ProviderRecord
from dkimctl.providers.zonefile.bindconf import statements, zones_in
from dkimctl.providers.zonefile.options import ZoneFileOptions, options_from
from dkimctl.providers.zonefile.parse import parse_zone
from dkimctl.providers.zonefile.provider import ZoneFileProvider
from dkimctl.providers.zonefile.scan import SyntaxProblem
from dkimctl.providers.zonefile.servercheck import refuse_unloadable
from tests import update_servers
from tests.conftest import DkimctlInside, needs
from tests.dns_servers import name_servers
from tests.publishing import invented_record, manual_clock
from tests.update_servers import KEY_NAME, SECRET, UpdateServer, update_server

ZONE = "example.test"
NAME = f"mail._domainkey.{ZONE}"
RECORD = ProviderRecord(NAME, "TXT", invented_record(1).text)
TEXT = f"$ORIGIN {ZONE}.\n$TTL 300\n{name_servers('127.0.0.1')}"


def zone_file(directory: Path, text: str = TEXT) -> Path:
    """Write a zone file into the directory."""
    path = directory / f"{ZONE}.zone"
    path.write_text(text)
    return path


def refusal(path: Path, root: Path = Path("/nonexistent")) -> Refused:
    """Return the error with which a change of this file is refused; the file is unchanged."""
    before = path.read_bytes()
    provider = ZoneFileProvider(path, manual_clock(), ZoneFileOptions(locate=Settings(root=root).at))
    with pytest.raises(Refused) as looked:
        provider.find(ZONE, [NAME])
    with pytest.raises(Refused) as caught:
        provider.apply(ZONE, [Create(RECORD)])
    assert caught.value.message == looked.value.message
    assert path.read_bytes() == before
    assert not path.with_name(path.name + ".bak").exists()
    return caught.value


def is_taken(path: Path, root: Path) -> bool:
    """Return whether the file is edited."""
    ZoneFileProvider(path, manual_clock(), ZoneFileOptions(locate=Settings(root=root).at)).apply(ZONE, [Create(RECORD)])
    return RECORD.text[:50] in path.read_text()


# --- files that the server writes


def test_a_file_with_a_journal_beside_it_is_the_servers(tmp_path: Path) -> None:
    """The hints are dynamic updates, or freeze and thaw, with the zone's name."""
    path = zone_file(tmp_path)
    (tmp_path / f"{path.name}.jnl").write_bytes(b";BIND LOG V9.2\n")
    error = refusal(path)
    assert "belongs to the name server: there is its journal" in error.message
    assert "rfc2136" in error.hint
    assert f"rndc freeze {ZONE}" in error.hint
    assert "{" not in error.hint


def test_a_link_to_such_a_file_is_the_servers_too(tmp_path: Path) -> None:
    """The journal is beside the target of the link."""
    (tmp_path / "real").mkdir()
    path = zone_file(tmp_path / "real")
    (tmp_path / "real" / f"{path.name}.jnl").touch()
    (tmp_path / "link").symlink_to(path)
    assert "its journal" in refusal(tmp_path / "link").message


STATIC = (
    'type primary; file "FILE";',
    'type master; file "FILE"; allow-update { none; };',
    'type primary; file "FILE"; dnssec-policy default; inline-signing yes;',
    'type primary; file "FILE"; notify no;',
)
DYNAMIC = {
    'type primary; file "FILE"; allow-update { key "k"; };': "allow-update",
    'type primary; file "FILE"; allow-update { 127.0.0.1; };': "allow-update",
    'type primary; file "FILE"; update-policy { grant k zonesub ANY; };': "update-policy",
    'type primary; file "FILE"; update-policy local;': "update-policy",
    'type secondary; file "FILE"; primaries { 127.0.0.1; };': "type secondary",
    'type slave; file "FILE"; masters { 127.0.0.1; };': "type slave",
}


def configured(root: Path, zone: str, options: str = "", view: str = "") -> Path:
    """Write a zone file below a root whose /etc/bind/named.conf has this zone."""
    (root / "etc/bind").mkdir(parents=True)
    path = zone_file(root / "etc/bind")
    whole = f'zone "{ZONE}" {{ {zone.replace("FILE", str(path))} }};'
    inside = f"view v {{ {view} {whole} }};" if view else whole
    key = 'key "k" { algorithm hmac-sha256; secret "c2VjcmV0"; };'
    (root / "etc/bind/zones.conf").write_text(inside)
    (root / "etc/bind/named.conf").write_text(
        f'options {{ directory "{root}"; {options} }};\n{key}\ninclude "{root}/etc/bind/zones.conf"; // a comment {{\n'
    )
    return path


@needs("named")
@pytest.mark.parametrize(("zone", "why"), DYNAMIC.items())
def test_zones_that_are_dynamic_in_binds_configuration(zone: str, why: str, tmp_path: Path) -> None:
    """They are refused before there is a journal: the first update would create one."""
    error = refusal(configured(tmp_path, zone), tmp_path)
    assert f"in BIND's configuration its zone has {why}" in error.message


@needs("named")
@pytest.mark.parametrize("zone", STATIC)
def test_zones_that_are_static_in_binds_configuration(zone: str, tmp_path: Path) -> None:
    """They are edited, whatever clients may query them, and whether or not they are signed into another file."""
    assert is_taken(configured(tmp_path, zone), tmp_path)


BROKEN_ADDRESS = "www A 192.0.2.999\n"


@needs("named", "named-checkzone")
def test_a_file_that_bind_does_not_load_is_not_edited(tmp_path: Path) -> None:
    """A record published there would never be served: the refusal says what BIND's checker says, with the line."""
    path = configured(tmp_path, STATIC[0])
    path.write_text(TEXT + BROKEN_ADDRESS)
    error = refusal(path, tmp_path)
    line = (TEXT + BROKEN_ADDRESS).count("\n")
    assert "named-checkzone refuses the zone file" in error.message
    assert f"{path}:{line}:" in error.message
    path.write_text(TEXT + "www A 192.0.2.9\n")
    assert is_taken(path, tmp_path)


@needs("named-checkzone")
def test_a_file_of_another_server_is_left_to_it(tmp_path: Path) -> None:
    """Knot loads some zones that BIND refuses: only a change that makes a file unloadable is refused."""
    path = zone_file(tmp_path, TEXT + BROKEN_ADDRESS)
    assert is_taken(path, tmp_path)
    zone = parse_zone(TEXT, str(path))
    refuse_unloadable(zone, {str(path): TEXT + "www A 192.0.2.9\n"}, str, is_binds=False)
    with pytest.raises(Refused, match="nothing was changed"):
        refuse_unloadable(zone, {str(path): TEXT + BROKEN_ADDRESS}, str, is_binds=False)


@needs("named", "named-checkzone")
def test_included_files_are_checked_as_they_will_be(tmp_path: Path) -> None:
    """The checker sees the new text of every file, not what is on the disk."""
    path = configured(tmp_path, STATIC[0])
    included = path.with_name("keys.inc")
    included.write_text(f'{NAME}. TXT "old"\n')
    path.write_text(TEXT + "$INCLUDE keys.inc\n")
    assert not is_taken(path, tmp_path)
    assert RECORD.text[:50] in included.read_text()
    path.with_name(f"{path.name}.bak").unlink()
    included.write_text(BROKEN_ADDRESS)
    assert str(included) in refusal(path, tmp_path).message


@needs("named")
def test_updates_that_all_zones_allow(tmp_path: Path) -> None:
    """`allow-update` is inherited from the options or the view, unless the zone overrides it."""
    every, none = 'allow-update { key "k"; };', "allow-update { none; };"
    assert "allow-update" in refusal(configured(tmp_path / "a", STATIC[0], options=every), tmp_path / "a").message
    assert "allow-update" in refusal(configured(tmp_path / "b", STATIC[0], view=every), tmp_path / "b").message
    assert is_taken(configured(tmp_path / "c", STATIC[0] + none, options=every), tmp_path / "c")


@needs("named")
def test_a_journal_of_a_zone_that_is_static(tmp_path: Path) -> None:
    """It is left over, and a server would refuse the edited file; a signed zone's journal is no obstacle."""
    path = configured(tmp_path / "a", STATIC[0])
    path.with_name(path.name + ".jnl").touch()
    assert f"rndc sync -clean {ZONE}" in refusal(path, tmp_path / "a").hint
    signed = configured(tmp_path / "b", STATIC[2])
    signed.with_name(signed.name + ".jnl").touch()
    assert is_taken(signed, tmp_path / "b")


@needs("named")
@pytest.mark.parametrize("place", ["zone", "options", "view"])
def test_a_journal_of_what_a_person_changed(tmp_path: Path, place: str) -> None:
    """`ixfr-from-differences` has the server note each edit for incremental transfers; the file stays a person's."""
    noted = {place: "ixfr-from-differences yes;"}
    path = configured(tmp_path, STATIC[0] + noted.get("zone", ""), noted.get("options", ""), noted.get("view", ""))
    path.with_name(path.name + ".jnl").touch()
    assert is_taken(path, tmp_path)


@needs("named", "named-checkzone")
def test_a_dynamic_zone_that_rndc_added(tmp_path: Path) -> None:
    """It is in no configuration file; the real server keeps it in a database of its own."""
    root = tmp_path / "root"
    (root / "etc/bind").mkdir(parents=True)
    with update_server("named", tmp_path / "s") as server:
        path = zone_file(tmp_path / "s")
        (root / "etc/bind/named.conf").symlink_to(tmp_path / "s" / "server.conf")
        server.add_zone(ZONE, f'type primary; file "{path}"; update-policy {{ grant {KEY_NAME} zonesub ANY; }};')
        assert "update-policy" in refusal(path, root).message


KNOT = """\
template:
  - id: default
    {default}
  - id: other
    {other}
zone:
  - domain: another.test
    zonefile-load: none
  - domain: "{zone}."  # with a remark
    {own}
"""


@pytest.mark.parametrize(
    ("settings", "is_read"),
    [
        ({}, True),
        ({"own": "zonefile-load: none"}, False),
        ({"default": "zonefile-load: none"}, False),
        ({"default": "zonefile-load: none", "own": "template: other"}, True),
        ({"other": "zonefile-load: none", "own": "template: other"}, False),
        ({"default": "zonefile-load: none", "own": "zonefile-load: difference"}, True),
    ],
)
def test_a_file_that_knot_does_not_read(settings: dict[str, str], is_read: bool, tmp_path: Path) -> None:
    """With `zonefile-load: none` the zone lives in the journal alone: its file is never served (measured)."""
    (tmp_path / "etc/knot").mkdir(parents=True)
    text = KNOT.format(zone=ZONE, **{"own": "", "default": "", "other": "", **settings})
    (tmp_path / "etc/knot/knot.conf").write_text(text)
    if is_read:
        assert is_taken(zone_file(tmp_path), tmp_path)
    else:
        assert "zonefile-load: none" in refusal(zone_file(tmp_path), tmp_path).message


@pytest.mark.parametrize(
    ("own", "is_secondary"), [("master: a", True), ("master: [a, b]", True), ("master:\n      - a", True), ("", False)]
)
def test_a_zone_that_knot_gets_from_another_server(own: str, is_secondary: bool, tmp_path: Path) -> None:
    """Knot writes its file after each transfer."""
    (tmp_path / "etc/knot").mkdir(parents=True)
    (tmp_path / "etc/knot/knot.conf").write_text(KNOT.format(zone=ZONE, default="", other="", own=own))
    if is_secondary:
        assert "at the primary server" in refusal(zone_file(tmp_path), tmp_path).hint
    else:
        assert is_taken(zone_file(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("name", "line", "is_secondary"),
    [
        (ZONE, "request-xfr: 192.0.2.1 NOKEY", True),
        (f'"{ZONE}."', "request-xfr: AXFR 192.0.2.1 NOKEY", True),
        (ZONE, "provide-xfr: 192.0.2.1 NOKEY", False),
        ("other.test", "request-xfr: 192.0.2.1 NOKEY", False),
    ],
)
def test_a_zone_that_nsd_gets_from_another_server(name: str, line: str, is_secondary: bool, tmp_path: Path) -> None:
    """NSD writes its file from time to time."""
    (tmp_path / "etc/nsd").mkdir(parents=True)
    (tmp_path / "etc/nsd/nsd.conf").write_text(f"server:\n  zonesdir: /x\nzone:\n  name: {name}\n  {line}\n")
    if is_secondary:
        assert "NSD gets the zone from another server" in refusal(zone_file(tmp_path), tmp_path).message
    else:
        assert is_taken(zone_file(tmp_path), tmp_path)


@needs("named")
def test_an_invalid_configuration_is_ignored(tmp_path: Path) -> None:
    """In that case the journal alone decides."""
    path = configured(tmp_path, "type primary; nonsense;")
    assert zones_in(str(tmp_path / "etc/bind/named.conf"), 0) == ()
    assert is_taken(path, tmp_path)


def test_statements_of_any_text() -> None:
    """Unbalanced braces cause no traceback."""
    for text in ("}", "{", '"', "a { b { c; }; d", "};};"):
        assert statements(text) == ()
    assert [one.words for one in statements("a;;b { };")] == [("a",), ("b",)]


def updated(server: UpdateServer) -> None:
    """Add one record by a dynamic update."""
    message = dns.update.UpdateMessage(ZONE)
    message.use_tsig(dns.tsig.Key(KEY_NAME, SECRET, "hmac-sha256"))
    message.add(f"other.{ZONE}.", 300, "TXT", '"made by an update"')
    assert dns.query.tcp(message, "127.0.0.1", port=server.port, timeout=10).rcode() == 0


@needs("named")
def test_a_real_dynamic_zone_of_bind_stays_whole(tmp_path: Path) -> None:
    """After an update the file is not touched, and the server restarts with all its records."""
    with update_server("named", tmp_path / "s", ZONE) as server:
        updated(server)
        assert "its journal" in refusal(tmp_path / "s" / f"{ZONE}.zone").message
    ran = subprocess.run(
        ["named-journalprint", f"{tmp_path}/s/{ZONE}.zone.jnl"], capture_output=True, text=True, check=True
    )
    assert "made by an update" in ran.stdout


@needs("knotd")
def test_a_knot_zone_with_changes_in_its_journal_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `zonefile-sync: -1` the file is old until it is flushed."""
    plain = update_servers._knot

    def unsynced(directory: Path, port: int, zones: tuple[str, ...]) -> str:
        return plain(directory, port, zones).replace("    acl: may", "    zonefile-sync: -1\n    acl: may")

    monkeypatch.setattr(update_servers, "_knot", unsynced)
    root = tmp_path / "root"
    (root / "etc/knot").mkdir(parents=True)
    with update_server("knotd", tmp_path / "s", ZONE) as server:
        (root / "etc/knot/knot.conf").symlink_to(tmp_path / "s" / "server.conf")
        updated(server)
        error = refusal(tmp_path / "s" / f"{ZONE}.zone", root)
    assert "Knot's journal has serial 2, the file 1" in error.message
    assert f"knotc zone-flush {ZONE}" in error.hint


@needs("knotd")
def test_a_knot_zone_whose_file_is_newest_is_edited(tmp_path: Path) -> None:
    """The journal of a synced zone is not newer than the file."""
    root = tmp_path / "root"
    (root / "etc/knot").mkdir(parents=True)
    with update_server("knotd", tmp_path / "s", ZONE) as server:
        (root / "etc/knot/knot.conf").symlink_to(tmp_path / "s" / "server.conf")
        path = tmp_path / "s" / f"{ZONE}.zone"
        updated(server)
        for _ in range(100):
            if "made by an update" in path.read_text():
                break
            subprocess.run(["sleep", "0.1"], check=True)
        assert is_taken(path, root)


def test_a_reload_that_fails_is_shown_as_it_was_run(tmp_path: Path) -> None:
    """The hint is the command with the zone's name, ready to be pasted."""
    options = options_from({"reload": ("false", "reload", "{zone}")}, Settings())
    provider = ZoneFileProvider(zone_file(tmp_path), manual_clock(), options)
    with pytest.raises(DkimctlError) as caught:
        provider.activate(ZONE)
    assert f"false reload {ZONE}" in caught.value.hint


# --- zone cuts


@pytest.mark.parametrize("line", ["_domainkey NS ns.other.test.", "mail._domainkey NS ns.other.test."])
def test_a_name_below_a_cut_in_the_file(line: str, tmp_path: Path) -> None:
    """The record would be occluded: refused before anything is written."""
    assert "is a zone of its own (NS records)" in refusal(zone_file(tmp_path, f"{TEXT}{line}\n")).message


def test_a_name_below_a_dname(tmp_path: Path) -> None:
    """Queries for the name are redirected."""
    assert "(a DNAME)" in refusal(zone_file(tmp_path, f"{TEXT}_domainkey DNAME keys.other.test.\n")).message


def test_the_file_of_a_domainkey_zone(tmp_path: Path) -> None:
    """Records are published in a zone `_domainkey.example.test`."""
    zone = f"_domainkey.{ZONE}"
    path = zone_file(tmp_path, TEXT.replace(f"$ORIGIN {ZONE}", f"$ORIGIN {zone}"))
    provider = ZoneFileProvider(path, manual_clock())
    assert provider.zone_of(NAME) == zone
    provider.apply(zone, [Create(RECORD)])
    assert [record.text for record in provider.find(zone, [NAME])[NAME]] == [RECORD.text]


def test_the_file_of_a_domainkey_zone_as_a_user_publishes(dkimctl_inside: DkimctlInside) -> None:
    """The zone is found from the file or configured."""
    root = dkimctl_inside.root
    dkimctl_inside("genkey", ZONE, "-s", "mail")
    path = zone_file(root, TEXT.replace(f"$ORIGIN {ZONE}", f"$ORIGIN _domainkey.{ZONE}"))
    for configuration in ("", f'[domains."{ZONE}"]\nzone = "_domainkey.{ZONE}"\n'):
        (root / "etc/dkimctl").mkdir(parents=True, exist_ok=True)
        (root / "etc/dkimctl/dkimctl.toml").write_text(configuration)
        ran = dkimctl_inside("publish", ZONE, "--provider", f"zonefile:/{path.name}")
        assert ran.code == 0, ran.err
    assert path.read_text().count("v=DKIM1") == 1


# --- files that the servers refuse

REFUSED = {
    "a long string": f'mail._domainkey TXT "{"x" * 256}"\n',
    "a long string at another name": f'other TXT "{"x" * 300}"\n',
    "a long word": f"other TXT {'x' * 256}\n",
    "a long string of escapes": f'other TXT "{chr(92)}120{"x" * 255}"\n',
    "a long string in UTF-8": f'other TXT "{"é" * 128}"\n',
    "an escape that is not an octet": 'other TXT "a\\300b"\n',
    "a ttl that is too large": "other 99999999999 TXT x\n",
    "an escape of two digits": 'other TXT "\\12x"\n',
    "a class twice": "other IN IN TXT x\n",
    "another class": "other CH TXT x\n",
    "a no-break space": "other\u00a0TXT x\n",
    "a form feed": "other\fTXT x\n",
    "a $TTL that is none": "$TTL soon\n",
    "a label of 64 octets": f"{'x' * 64} TXT x\n",
    "an empty label": "other..name TXT x\n",
    "a name that is too long": f"{'.'.join(['x' * 60] * 5)} TXT x\n",
    "a name with a wrong escape": "\\300 TXT x\n",
    "a CNAME and a text": "other CNAME name\nother TXT x\n",
    "two CNAMEs": "other CNAME one\nother CNAME two\n",
    "a CNAME with two targets": "other CNAME one two\n",
}
ACCEPTED = {
    "255 octets": f'other TXT "{"x" * 255}"\n',
    "255 escapes": f'other TXT "{chr(92)}120{f"{chr(92)}x" * 254}"\n',
    "octets that are no text": 'other TXT "\\255\\000\\200"\n',
    "the root as origin": "$ORIGIN .\nother.domain.tld TXT x\n",
    "a label of 63 octets": f"{'x' * 63} TXT x\n",
    "the same CNAME twice": "other CNAME one\nother CNAME one\n",
    "several strings": f'other TXT "{"x" * 255}" "{"y" * 255}"\n',
}


def checkers(text: str, directory: Path) -> list[bool]:
    """Return whether BIND and Knot accept this zone."""
    path = zone_file(directory, text)
    commands = (["named-checkzone", ZONE, str(path)], ["kzonecheck", "-o", ZONE, str(path)])
    return [subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in commands]


@needs("named-checkzone", "kzonecheck")
@pytest.mark.parametrize("line", REFUSED.values(), ids=REFUSED)
def test_files_that_the_servers_refuse_are_refused(line: str, tmp_path: Path) -> None:
    """A record in such a file is not served, so it must not be reported as unchanged."""
    assert not all(checkers(TEXT + line, tmp_path))
    with pytest.raises(SyntaxProblem, match=r"line [67]"):
        parse_zone(TEXT + line, "zone")


@needs("named-checkzone", "kzonecheck")
@pytest.mark.parametrize("line", ACCEPTED.values(), ids=ACCEPTED)
def test_files_that_the_servers_accept_are_accepted(line: str, tmp_path: Path) -> None:
    """Limits are the same to the last octet."""
    assert all(checkers(TEXT + line, tmp_path))
    assert parse_zone(TEXT + line, "zone").zone == ZONE


@needs("named-checkzone", "kzonecheck")
@pytest.mark.parametrize(
    "line",
    ["$GENERATE 1-3 host$ A 192.0.2.$\n", "other CLASS1 TXT x\n", '"other" TXT x\n'],
    ids=["generated", "class", "quoted"],
)
def test_what_bind_alone_accepts_is_accepted(line: str, tmp_path: Path) -> None:
    """A file for BIND need not be one for Knot; generated addresses concern no key."""
    assert checkers(TEXT + line, tmp_path) == [True, False]
    assert parse_zone(TEXT + line, "zone").zone == ZONE


@pytest.mark.parametrize("line", ["mail._domainkey TXT \\# 2 0161\n", "mail._domainkey TYPE16 \\# 2 0161\n"])
def test_generic_data_is_refused(line: str) -> None:
    """A record that is not understood may be the one at the name: a second one would break it (RFC 3597 §5)."""
    with pytest.raises(SyntaxProblem, match="generic data"):
        parse_zone(TEXT + line, "zone")


@pytest.mark.parametrize("serial", ["9" * 5000, "4294967296", "\uff11"])
def test_a_serial_of_any_length(serial: str) -> None:
    """A serial that is too large is a syntax error."""
    with pytest.raises(SyntaxProblem):
        parse_zone(TEXT.replace("hostmaster 1", f"hostmaster {serial}"), "zone")


@pytest.mark.parametrize("width", [2, 50])
def test_includes_that_multiply_end(width: int, tmp_path: Path) -> None:
    """Each of twelve files includes the next several times, which makes 4,096 for two: it is refused."""
    for number in range(12):
        (tmp_path / f"f{number}").write_text(f"$INCLUDE f{number + 1}\n" * width)
    (tmp_path / "f12").write_text("other TXT x\n" * 1000)
    with pytest.raises(Refused, match="too many or too deeply nested includes"):
        ZoneFileProvider(zone_file(tmp_path, f"{TEXT}$INCLUDE f0\n"), manual_clock()).find(ZONE, [NAME])


def test_includes_that_are_deep_end(tmp_path: Path) -> None:
    """A chain of a thousand files causes no traceback."""
    for number in range(1000):
        (tmp_path / f"f{number}").write_text(f"$INCLUDE f{number + 1}\n")
    with pytest.raises(Refused, match="too deep"):
        ZoneFileProvider(zone_file(tmp_path, f"{TEXT}$INCLUDE f0\n"), manual_clock()).find(ZONE, [NAME])
