"""Zone files that include others: parsed as by BIND, edited in the right file, with errors for invalid ones."""

import subprocess
from pathlib import Path

import pytest

from dkimctl.config.settings import Settings
from dkimctl.errors import ConfigError, DiskError, Refused, Unavailable, UsageError
from dkimctl.providers.base import Create, Delete, ProviderRecord, Replace
from dkimctl.providers.registry import open_provider
from dkimctl.providers.zonefile.options import ZoneFileOptions
from dkimctl.providers.zonefile.provider import ZoneFileProvider
from tests.conftest import DkimctlInside, needs
from tests.publishing import NAME, ZONE, manual_clock, rsa_record

LONG = rsa_record().text
MAIN = """\
; keep me
$TTL 1h
$INCLUDE soa.inc ; the serial is in there
@ NS ns1
ns1 A 127.0.0.1
host A 127.0.0.2
$INCLUDE deep/mail.inc mail.domain.tld.
\tA 127.0.0.3 ; host once more
$ORIGIN sub.domain.tld.
$INCLUDE "keys.inc"
"""
FILES = {
    "db.domain.tld": MAIN,
    "soa.inc": "@ SOA ns1 hostmaster ( 2026112200 3600 600 86400 300 )\n",
    "deep/mail.inc": '\tTXT "of the host before"\n@ A 127.0.0.4\n$INCLUDE deep/more.inc\nlast A 127.0.0.5\n',
    "deep/more.inc": "$ORIGIN elsewhere.domain.tld.\nx A 127.0.0.6\n",
    "keys.inc": '; the keys\nold._domainkey TXT "v=DKIM1; p=AAAA" ; a comment\n\tA 127.0.0.9',
}
OLD = f"old._domainkey.sub.{ZONE}"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The files of the zone."""
    write(tmp_path, FILES)
    return tmp_path


def write(directory: Path, files: dict[str, str]) -> None:
    """Write these files."""
    for name, text in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)


def provider(directory: Path, options: ZoneFileOptions = ZoneFileOptions()) -> ZoneFileProvider:  # noqa: B008 - frozen
    """Return the provider for the zone's file."""
    return ZoneFileProvider(directory / "db.domain.tld", manual_clock(), options)


def read(directory: Path) -> dict[str, str]:
    """Return the current text of the files, without backups."""
    paths = [path for path in directory.rglob("*") if path.is_file() and path.suffix != ".bak"]
    return {str(path.relative_to(directory)): path.read_text() for path in paths}


def bind_reads(directory: Path) -> set[str]:
    """Return the zone as BIND reads it with `directory` as its working directory."""
    command = ["named-checkzone", "-w", directory, "-D", ZONE, "db.domain.tld"]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return {line for line in checked.stdout.splitlines() if not line.startswith("zone ") and line != "OK"}


def test_a_record_is_found_in_an_included_file(directory: Path) -> None:
    """Its origin comes from the including file."""
    [found] = provider(directory).find(ZONE, [OLD])[OLD]
    assert found.text == "v=DKIM1; p=AAAA"


def test_record_and_serial_are_replaced_each_in_its_own_file(directory: Path) -> None:
    """Two files change in two places, and no other byte changes."""
    own = provider(directory)
    [old] = own.find(ZONE, [OLD])[OLD]
    own.apply(ZONE, [Replace(old, ProviderRecord(OLD, "TXT", "v=DKIM1; p=BBBB"))])
    expected = {
        **FILES,
        "soa.inc": FILES["soa.inc"].replace("2026112200", "2026112300"),
        "keys.inc": FILES["keys.inc"].replace('TXT "v=DKIM1; p=AAAA"', 'IN\tTXT\t"v=DKIM1; p=BBBB"'),
    }
    assert read(directory) == expected
    assert (directory / "keys.inc.bak").read_text() == FILES["keys.inc"]


def test_a_new_record_goes_to_the_zone_file_itself(directory: Path) -> None:
    """Its owner is written out: the origin at that place does not matter."""
    provider(directory).apply(ZONE, [Create(ProviderRecord(NAME, "TXT", LONG))])
    now = read(directory)
    assert now["db.domain.tld"].startswith(MAIN + f"{NAME}.\tIN\tTXT")
    assert {name for name in FILES if now[name] != FILES[name]} == {"db.domain.tld", "soa.inc"}


def test_a_second_record_of_a_name_goes_into_the_file_of_the_first(directory: Path) -> None:
    """This also works for a file without a final line feed."""
    own = provider(directory)
    own.apply(ZONE, [Create(ProviderRecord(OLD, "TXT", "v=DKIM1; p=BBBB"))])
    assert read(directory)["keys.inc"] == FILES["keys.inc"] + f'\n{OLD}.\tIN\tTXT\t"v=DKIM1; p=BBBB"\n'
    assert [found.text[-4:] for found in own.find(ZONE, [OLD])[OLD]] == ["AAAA", "BBBB"]


def test_an_owner_inherited_from_a_removed_record_is_written_out_in_either_file(directory: Path) -> None:
    """An included file starts with the owner of the line before it, and the line after it has that owner again."""
    write(directory, {"db.domain.tld": MAIN.replace("host A 127.0.0.2", "host TXT away")})
    own = provider(directory)
    [gone] = [found for found in own.find(ZONE, [f"host.{ZONE}"])[f"host.{ZONE}"] if found.text == "away"]
    own.apply(ZONE, [Delete(gone)])
    now = read(directory)
    assert now["deep/mail.inc"].startswith('host.domain.tld.\tTXT "of the host before"')
    assert "\nhost.domain.tld.\tA 127.0.0.3 ; host once more" in now["db.domain.tld"]


def test_after_an_interruption_between_two_files_the_change_is_left_to_make(directory: Path) -> None:
    """The serial is written first: it may be raised in vain, but no change is served without a new serial."""
    own = provider(directory)
    [old] = own.find(ZONE, [OLD])[OLD]
    new = Replace(old, ProviderRecord(OLD, "TXT", "v=DKIM1; p=BBBB"))
    (directory / "keys.inc.bak").mkdir()
    with pytest.raises(Unavailable, match="cannot write"):
        own.apply(ZONE, [new])
    assert "2026112300" in read(directory)["soa.inc"]
    assert read(directory)["keys.inc"] == FILES["keys.inc"]
    (directory / "keys.inc.bak").rmdir()
    own.apply(ZONE, [new])
    assert "2026112301" in read(directory)["soa.inc"]


@needs("named-checkzone")
def test_bind_reads_the_same_zone(directory: Path) -> None:
    """Every owner is the same, before and after creations, replacements and deletions; relative names as in BIND."""
    before = bind_reads(directory)
    addresses = {line.split()[-1]: line.split()[0] for line in before if line.split()[3] == "A"}
    assert addresses["127.0.0.3"] == f"host.{ZONE}."
    assert addresses["127.0.0.6"] == f"x.elsewhere.{ZONE}."
    assert addresses["127.0.0.5"] == f"last.mail.{ZONE}."
    ours = provider(directory)._parse(ZONE).records
    assert {record.data[0].value: f"{record.owner}." for record in ours if record.type == "A"} == addresses
    own = provider(directory)
    [old] = own.find(ZONE, [OLD])[OLD]
    own.apply(ZONE, [Create(ProviderRecord(NAME, "TXT", LONG)), Replace(old, ProviderRecord(OLD, "TXT", LONG))])
    [old] = own.find(ZONE, [OLD])[OLD]
    own.apply(ZONE, [Delete(old)])
    gone, new = before - (now := bind_reads(directory)), now - before
    assert sorted(line.split()[3] for line in gone) == ["SOA", "TXT"]
    assert sorted(line.split()[3] for line in new) == ["SOA", "TXT"]
    assert {line.split()[0] for line in new} == {f"{ZONE}.", f"{NAME}."}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"soa.inc": ""}, r"db\.domain\.tld line 11, column 1: there is no SOA"),
        ({"keys.inc": "x A 1.2.3.4\ny TXT (\n"}, r"keys\.inc line 2, column 7: this parenthesis is never closed"),
        ({"keys.inc": "\n$INCLUDE keys.inc\n"}, r"keys\.inc line 2, column 10: a circle of files"),
        ({"keys.inc": "$INCLUDE db.domain.tld\n"}, r"line 1, column 10: a circle of files: .* includes .*keys\.inc"),
        ({"keys.inc": "$INCLUDE gone.inc\n"}, r"keys\.inc line 1, column 10: there is no file gone\.inc"),
        ({"keys.inc": "$INCLUDE a b c\n"}, r"takes a file and perhaps an origin"),
        ({"keys.inc": "@ SOA a b 1 2 3 4 5\n"}, r"keys\.inc line 1, column 1: a zone has exactly one SOA"),
    ],
)
def test_errors_have_file_line_and_column(directory: Path, files: dict[str, str], words: str) -> None:
    """They refer to the file that contains the mistake; nothing is changed."""
    write(directory, files)
    before = read(directory)
    with pytest.raises(Refused, match=words):
        provider(directory).apply(ZONE, [Create(ProviderRecord(NAME, "TXT", LONG))])
    assert read(directory) == before


def test_a_link_to_itself_is_an_ordinary_error(directory: Path) -> None:
    """The error names an included file that cannot be opened."""
    (directory / "loop").symlink_to("loop")
    write(directory, {"db.domain.tld": f"{MAIN}$INCLUDE loop\n"})
    with pytest.raises(DiskError, match="loop: too many levels"):
        provider(directory).find(ZONE, [OLD])


def test_a_file_that_is_included_twice_is_not_changed(directory: Path) -> None:
    """A record in it belongs to two names: a change would affect both, so a person must make it."""
    write(directory, {"db.domain.tld": MAIN + "$INCLUDE keys.inc other.domain.tld.\n"})
    own = provider(directory)
    [old] = own.find(ZONE, [OLD])[OLD]
    with pytest.raises(Refused, match=r"keys\.inc is included more than once"):
        own.apply(ZONE, [Delete(old)])
    own.apply(ZONE, [Create(ProviderRecord(OLD, "TXT", LONG))])
    assert read(directory)["keys.inc"] == FILES["keys.inc"]
    assert LONG[300:350] in read(directory)["db.domain.tld"]


def test_the_directory_of_relative_names_is_an_option(directory: Path) -> None:
    """BIND looks them up in its working directory, wherever the zone file is."""
    (directory / "zones").mkdir()
    main = directory / "db.domain.tld"
    moved = main.rename(directory / "zones" / main.name)
    with pytest.raises(Refused, match=r"there is no file soa\.inc") as caught:
        ZoneFileProvider(moved, manual_clock()).find(ZONE, [OLD])
    assert "[providers.zonefile] directory" in caught.value.hint
    own = ZoneFileProvider(moved, manual_clock(), ZoneFileOptions(directory=directory))
    assert own.find(ZONE, [OLD])[OLD] != ()


# --- the reload hook


def hook(dkimctl: DkimctlInside, *command: str) -> str:
    """Configure this reload command for a zone file. Return the file's path."""
    configuration = dkimctl.root / "etc/dkimctl/dkimctl.toml"
    configuration.parent.mkdir(parents=True)
    write(dkimctl.root, FILES)
    words = ", ".join(f"'{word}'" for word in command)
    configuration.write_text(f'provider = "zonefile:/db.domain.tld"\n[providers.zonefile]\nreload = [{words}]\n')
    assert dkimctl("genkey", ZONE, "-s", "mail", "-q").code == 0
    return str(dkimctl.root / "db.domain.tld")


def test_the_name_server_is_reloaded_once_after_a_change(dkimctl_inside: DkimctlInside) -> None:
    """Zone and path are inserted, no shell is used, and there is no hint to reload by hand."""
    out = dkimctl_inside.root / "reloaded"
    path = hook(dkimctl_inside, "sh", "-c", f'echo "$@" >>{out}', "-", "{zone}", "{path}", "a; b")
    run = dkimctl_inside("publish", "--no-wait")
    assert run.code == 0
    assert "reload" not in run.out + run.err
    assert out.read_text() == f"{ZONE} {path} a; b\n"


def test_a_failed_reload_is_an_error(dkimctl_inside: DkimctlInside) -> None:
    """The record is written; the error has the command's message and exit code 3."""
    hook(dkimctl_inside, "sh", "-c", "echo no such zone >&2; exit 1")
    run = dkimctl_inside("publish", "--no-wait")
    assert run.code == 3
    assert "the name server was not reloaded: sh: no such zone" in run.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reload": "rndc reload"}, "reload: must be a list"),
        ({"reload": ()}, "reload: must be a list"),
        ({"directory": "zones"}, "directory: must be an absolute path"),
        ({"relaod": ("x",)}, "relaod: unknown; known here: directory, reload"),
    ],
)
def test_mistakes_in_the_table_are_reported(options: dict[str, str | tuple[str, ...]], words: str) -> None:
    """The error names the key, before any file is read."""
    with pytest.raises(ConfigError) as caught:
        open_provider("zonefile:/zone", Settings(providers={"zonefile": options}), manual_clock())
    assert words in caught.value.problems[0]


def test_the_zone_file_itself_must_be_there(tmp_path: Path) -> None:
    """A missing zone file is a usage error."""
    with pytest.raises(UsageError, match="no such zone file"):
        provider(tmp_path).find(ZONE, [OLD])
