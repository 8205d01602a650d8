"""`dkimctl genkey` and `dkimctl record`, typed as a user would."""

import json
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from dkimctl.keys.pair import load
from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import parse_record
from tests.conftest import Dkimctl, DkimctlOfNobody, needs

KEYS = "etc/opendkim/keys"


def tree(directory: Path) -> dict[str, bytes]:
    """Every file below a directory with its content."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def strings_of(zone_line: str) -> str:
    """The joined character-strings of a TXT record in zone-file form, escapes undone."""
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"', zone_line)
    return re.sub(r"\\(.)", r"\1", "".join(parts))


def tags_of(zone_line: str) -> dict[str, str]:
    """The tags of a record in zone-file form; opendkim-genkey puts quotes into the note, which is theirs alone."""
    record = parse_record(strings_of(zone_line))
    assert isinstance(record, KeyRecord)
    return {name: value.strip('"') if name == "n" else value for name, value in record.tags}


def test_key_is_made_with_record_and_metadata(dkimctl: Dkimctl) -> None:
    """One command: key, record and metadata, in the domain's own directory, and the next step named."""
    ran = dkimctl("genkey", "Example.com", "-s", "mail")
    assert ran.code == 0, ran.err
    assert ran.out == "example.com: made mail (rsa 2048) /etc/opendkim/keys/example.com/mail.private\n"
    assert "next: dkimctl record example.com" in ran.err
    directory = dkimctl.root / KEYS / "example.com"
    assert {path.name for path in directory.glob("mail.*")} == {"mail.private", "mail.txt", "mail.json"}
    assert load(directory / "mail.private").bits == 2048
    assert json.loads((directory / "mail.json").read_text())["phase"] == "generated"


def test_selector_comes_from_the_configured_template(dkimctl: Dkimctl) -> None:
    """Without -s the pattern of the configuration names the key."""
    config = dkimctl.scratch.home / "dkimctl.toml"
    config.write_text('[keys]\nselector = "x%Yz"\nalgorithm = "ed25519"\n')
    ran = dkimctl("genkey", "example.com", "--config", config, "--json")
    (key,) = ran.json["keys"]
    assert key["selector"].startswith("x2")
    assert key["result"] == "made"


def test_second_run_refuses_and_if_missing_keeps(dkimctl_inside: Dkimctl) -> None:
    """Nothing is ever overwritten; with --if-missing a repeat is fine and changes no byte."""
    dkimctl_inside("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519")
    before = tree(dkimctl_inside.root)
    again = dkimctl_inside("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519")
    assert again.code == 1
    assert "never overwritten" in again.err
    assert "hint: " in again.err
    for arguments in (["-s", "mail"], []):
        kept = dkimctl_inside("genkey", "example.com", "--if-missing", *arguments)
        assert (kept.code, kept.out) == (0, "example.com: kept mail\n")
    assert tree(dkimctl_inside.root) == before


@needs("opendkim-genkey")
@pytest.mark.parametrize(
    "switches",
    [
        [],
        ["-r"],
        ["-S"],
        ["-t"],
        ["-t", "-S"],
        ["--subdomains", "-r"],
        ["-n", "a note"],
        ["-a"],
        ["--restrict", "--append-domain", "--nosubdomains", "--testmode", "--note=x"],
        ["-b", "4096"],
    ],
    ids=" ".join,
)
def test_switches_mean_what_they_mean_to_opendkim_genkey(
    dkimctl_inside: Dkimctl, tmp_path: Path, switches: list[str]
) -> None:
    """Each of opendkim-genkey's switches gives the same files, and the same record but for the key."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    common = ["-d", "example.com", "-s", "mail", *switches]
    subprocess.run(["opendkim-genkey", "-D", theirs, *common], check=True)
    ran = dkimctl_inside("genkey", "-D", ours, *common)
    assert ran.code == 0, ran.err
    assert tree(ours).keys() == tree(theirs).keys() == {"mail.private", "mail.txt"}
    our_text, their_text = ((d / "mail.txt").read_text() for d in (ours, theirs))
    assert our_text.split("\t")[:3] == their_text.split("\t")[:3]
    assert our_text.rpartition(")")[2] == their_text.rpartition(")")[2]
    our_tags, their_tags = tags_of(our_text), tags_of(their_text)
    our_key, their_key = our_tags.pop("p"), their_tags.pop("p")
    assert our_tags == their_tags
    assert len(our_key) == len(their_key)
    assert our_key == load(ours / "mail.private").public.base64


@needs("openssl")
@pytest.mark.parametrize(("arguments", "size"), [([], "2048"), (["-b", "3072"], "3072"), (["--algorithm=ed25519"], "")])
def test_openssl_reads_the_key_as_pkcs8(dkimctl_inside: Dkimctl, arguments: list[str], size: str) -> None:
    """The PEM is the PKCS#8 form that opendkim reads with OpenSSL."""
    dkimctl_inside("genkey", "example.com", "-s", "mail", *arguments)
    path = dkimctl_inside.root / KEYS / "example.com/mail.private"
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    shown = subprocess.run(["openssl", "pkey", "-in", path, "-noout", "-text"], capture_output=True, text=True)
    assert shown.returncode == 0
    assert (f"{size} bit" if size else "ED25519") in shown.stdout


@needs("opendkim", root=True)
def test_as_root_the_keys_belong_to_the_daemon(dkimctl_inside: Dkimctl) -> None:
    """Owner opendkim:opendkim, directory 0700, files 0600: what the daemon's own check wants."""
    ran = dkimctl_inside("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519")
    assert "warning" not in ran.err
    directory = dkimctl_inside.root / KEYS / "example.com"
    for path in (directory, *directory.glob("mail.*")):
        assert (path.owner(), path.group()) == ("opendkim", "opendkim")
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


@needs(root=True)
def test_named_owner_gets_the_keys(dkimctl_inside: Dkimctl) -> None:
    """--owner decides, by name or number."""
    dkimctl_inside("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519", "--owner", "nobody:0")
    path = dkimctl_inside.root / KEYS / "example.com/mail.private"
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 0)


@needs(root=True, namespaces=True)
def test_ordinary_user_owns_the_keys_and_is_told_what_to_do(dkimctl_of_nobody: DkimctlOfNobody) -> None:
    """Without root the caller gets the keys, with a warning and the command that fixes it."""
    os.chown(dkimctl_of_nobody.root, 65534, 65534)
    ran = dkimctl_of_nobody("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519")
    given = dkimctl_of_nobody("genkey", "example.org", "--owner", "root:root")
    assert ran.code == 0, ran.err
    assert "warning: keys will belong to you" in ran.err
    assert "chown -R opendkim:opendkim" in ran.err
    assert given.code == 2
    assert "only root can give keys to root:root" in given.err


def test_many_domains_from_a_file_in_parallel(dkimctl_inside: Dkimctl) -> None:
    """A list of names, comments and repeats gives one key each, in the list's order."""
    names = dkimctl_inside.scratch.home / "names"
    names.write_text("# ours\n" + "".join(f"d{i}.example\n" for i in range(40)) + "\nd7.example\nlast.example sel\n")
    ran = dkimctl_inside("genkey", "--from-file", names, "-s", "mail", "--algorithm=ed25519", "--jobs", "4", "--json")
    assert ran.code == 0, ran.err
    made = [(key["domain"], key["selector"]) for key in ran.json["keys"]]
    assert made == [(f"d{i}.example", "mail") for i in range(40)] + [("last.example", "sel")]


def test_names_come_from_standard_input_too(dkimctl: Dkimctl) -> None:
    """`-` reads the list from a pipe."""
    ran = dkimctl("genkey", "--from-file", "-", "-s", "m", "--algorithm=ed25519", input="a.example\nb.example\n")
    assert ran.out.count(": made m (ed25519)") == 2


def test_one_key_that_exists_does_not_stop_the_others(dkimctl_inside: Dkimctl) -> None:
    """The others are made, the one is named, and the exit code says so."""
    dkimctl_inside("genkey", "b.example", "-s", "mail", "--algorithm", "ed25519")
    ran = dkimctl_inside("genkey", *(f"{n}.example" for n in "abc"), "-s", "mail", "--algorithm", "ed25519", "--json")
    assert ran.code == 1
    assert [key["result"] for key in ran.json["keys"]] == ["made", "failed", "made"]
    assert "b.example/mail.private exists already" in ran.err


def test_malformed_list_makes_no_key_at_all(dkimctl_inside: Dkimctl) -> None:
    """Every bad line is reported, and nothing is half-done."""
    ran = dkimctl_inside("genkey", "--from-file", "-", input="good.example\nbad_name\na.example b c\n")
    assert ran.code == 2
    assert "- line 2: " in ran.err
    assert "- line 3: " in ran.err
    assert tree(dkimctl_inside.root) == {}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nodots"], 2, "not a domain name"),
        (["a.example", "-s", "a;touch pwned;"], 2, "not a selector"),
        (["a.example", "-s", "x" * 64], 2, "63 is the most"),
        (["a.example", "-b", "1024"], 1, "--allow-weak"),
        (["a.example", "-b", "512", "--allow-weak"], 1, "too weak"),
        (["a.example", "-b", "8192"], 1, "too long"),
        (["a.example", "--owner", "no-such-user"], 2, "no such user"),
        (["a.example", "--hash-algorithms", "rsa-sha256"], 2, "hash algorithms"),
        (["a.example", "--note", "a\nb"], 2, "note"),
        (["--from-file", "/nonexistent/list"], 3, "no such file"),
        ([], 2, "no domain given"),
    ],
)
def test_bad_input_gets_a_line_a_hint_and_leaves_nothing(
    dkimctl_inside: Dkimctl, arguments: list[str], code: int, words: str
) -> None:
    """Each mistake is one clear line with a hint and the right exit code; no file is made."""
    ran = dkimctl_inside("genkey", *arguments)
    assert ran.code == code
    assert words in ran.err
    assert "hint: " in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""
    assert tree(dkimctl_inside.root) == {}
    assert not (dkimctl_inside.scratch.home / "pwned").exists()


def test_directory_that_others_can_write_is_refused(dkimctl_inside: Dkimctl) -> None:
    """A key is not put where others could swap it; the hint says how to fix it."""
    keys = dkimctl_inside.root / KEYS
    keys.mkdir(parents=True)
    keys.chmod(0o777)
    ran = dkimctl_inside("genkey", "a.example", "--algorithm", "ed25519")
    assert ran.code == 1
    assert "can be written by other users" in ran.err
    assert f"chmod go-w {keys}" in ran.err
    assert tree(dkimctl_inside.root) == {}


@needs(root=True, namespaces=True)
def test_without_the_right_to_write_it_is_exit_code_3(dkimctl: Dkimctl) -> None:
    """A read-only place is named in one line."""
    keys = dkimctl.root / "etc"
    keys.mkdir()
    shell = 'mount -t tmpfs -o ro none "$1" && shift && exec "$@"'
    import sys

    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", shell, "sh", keys, sys.executable, "-m", "dkimctl", "genkey", "a.example"],
        env=dkimctl.scratch.environment(),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 3
    assert "read-only file system" in ended.stderr
    assert "Traceback" not in ended.stderr


# --- record ---


@pytest.mark.parametrize("arguments", [["-b", "2048"], ["-b", "4096"], ["--algorithm", "ed25519"]], ids=" ".join)
def test_record_has_correct_character_strings_for_any_size(dkimctl_inside: Dkimctl, arguments: list[str]) -> None:
    """However long the key, each string has at most 255 octets and they join to the record of the key on disk."""
    dkimctl_inside("genkey", "example.com", "-s", "mail", *arguments)
    public = load(dkimctl_inside.root / KEYS / "example.com/mail.private").public
    expected = f"v=DKIM1; h=sha256; k={public.algorithm}; p={public.base64}"
    for form in ("zone", "oneline"):
        text = dkimctl_inside("record", "example.com", "--format", form).out
        assert all(len(part) <= 255 for part in text.split('"')[1::2])
        assert strings_of(text) == expected
        assert text.startswith("mail._domainkey.example.com.")
    assert dkimctl_inside("record", "example.com", "--format", "oneline").out.count("\n") == 1
    ovh = dkimctl_inside("record", "example.com", "--format", "ovh").out
    assert f"Target:     {expected}\n" in ovh
    assert "Type:       DKIM\n" in ovh
    assert "Sub-domain: mail._domainkey\n" in ovh
    for asked in (["--format", "json"], ["--json"]):
        (record,) = dkimctl_inside("record", "example.com", *asked).json["records"]
        assert record["text"] == "".join(record["strings"]) == expected


@needs("kzonecheck")
def test_a_name_server_takes_the_zone_lines(dkimctl_inside: Dkimctl, tmp_path: Path) -> None:
    """knot's own checker accepts both zone-file forms of the longest key."""
    dkimctl_inside("genkey", "example.com", "-s", "mail", "-b", "4096")
    for form in ("zone", "oneline"):
        lines = dkimctl_inside("record", "example.com", "--format", form).out
        zone = tmp_path / form
        zone.write_text(f"$ORIGIN example.com.\n$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 127.0.0.1\n{lines}")
        checked = subprocess.run(["kzonecheck", "-o", "example.com", zone], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_note_cannot_smuggle_a_tag_into_the_record(dkimctl_inside: Dkimctl) -> None:
    """Whatever the note says, it stays one n= tag (RFC 6376 §2.11)."""
    dkimctl_inside("genkey", "a.example", "-s", "mail", "--algorithm", "ed25519", "--note", 'é; p=AAAA \\ "q"')
    record = parse_record(strings_of(dkimctl_inside("record", "a.example", "--format", "oneline").out))
    assert isinstance(record, KeyRecord)
    assert [name for name, _ in record.tags] == ["v", "h", "k", "n", "p"]
    assert record.get("n") == '=C3=A9=3B p=3DAAAA \\ "q"'


def test_record_without_a_key_says_how_to_make_one(dkimctl_inside: Dkimctl) -> None:
    """No key is no empty answer."""
    for arguments, hint in (
        (["a.example"], "dkimctl genkey a.example"),
        (["a.example", "-s", "x"], "dkimctl genkey a.example -s x"),
        ([], "dkimctl genkey example.com"),
    ):
        ran = dkimctl_inside("record", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert hint in ran.err


def test_record_of_a_damaged_key_names_the_file(dkimctl_inside: Dkimctl) -> None:
    """A key file that is not a key is one line with the path."""
    dkimctl_inside("genkey", "a.example", "-s", "mail", "--algorithm", "ed25519")
    (dkimctl_inside.root / KEYS / "a.example/mail.private").write_text("junk")
    ran = dkimctl_inside("record", "a.example")
    assert ran.code == 1
    assert "a.example/mail.private is not a private key" in ran.err
