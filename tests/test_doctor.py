"""`doctor` on complete hosts: every broken one gets the right code, and a correct one gets no error."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.keys.metadata import Tags
from dkimctl.record.model import record_for
from tests.conftest import DkimctlInside, DkimctlOfNobody, needs
from tests.dns_servers import Knot, name_servers, txt
from tests.doctor_cases import BROKEN, SOUND, Case, Change, key_file
from tests.host_tree import CONF_PATH, KEY, KEYS, MAIN_PATH, SIGNING, Tree, key_pair
from tests.ports import free_port_everywhere
from tests.rendering import manage, settings_for


@needs("postconf", root=True)
@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_broken(dkimctl_inside: DkimctlInside, case: Case) -> None:
    """The pitfall is found under its code, with evidence and a fix."""
    case.break_it(Tree(dkimctl_inside.root))
    ran = dkimctl_inside("doctor", "--json")
    found = {f["code"]: f for f in ran.json["findings"]}
    assert case.code in found, ran.out
    assert found[case.code]["seen"]
    assert ran.code == (1 if any(f["severity"] == "error" for f in found.values()) else 0), ran.out


@needs("postconf", root=True)
@pytest.mark.parametrize(("name", "change"), SOUND, ids=lambda value: value if isinstance(value, str) else "")
def test_sound(dkimctl_inside: DkimctlInside, name: str, change: Change) -> None:
    """An installation that signs correctly gets no error, no unknown and no warning."""
    change(Tree(dkimctl_inside.root))
    ran = dkimctl_inside("doctor", "--json")
    wrong = [f for f in ran.json["findings"] if f["severity"] in ("error", "unknown", "warning")]
    assert wrong == []
    assert ran.code == 0


@needs("postconf", "opendkim", root=True)
def test_what_dkimctl_installs_is_clean(dkimctl_inside: DkimctlInside) -> None:
    """After render-config on a host that had nothing of it, doctor reports only Postfix's own default for bounces."""
    tree = Tree(dkimctl_inside.root)
    for path in (CONF_PATH, "/etc/opendkim", "/run/opendkim", "/var/spool/postfix/opendkim"):
        shutil.rmtree(tree.at(path)) if tree.at(path).is_dir() else tree.at(path).unlink()
    for path in ("/etc/passwd", "/etc/group"):
        tree.write(path, Path(path).read_text())
    tree.write(MAIN_PATH, "compatibility_level = 3.6\nmynetworks = 127.0.0.0/8 [::1]/128\n")
    assert dkimctl_inside("genkey", "example.com").code == 0
    assert dkimctl_inside("render-config", "--install", "--allow-unproven").code == 0
    ran = dkimctl_inside("doctor", "--json")
    assert {f["code"] for f in ran.json["findings"]} <= {"DKIM818", "DKIM900", "DKIM992"}, ran.out


REPAIRED = ["key world-readable", "key of another user", "grandparent 0777", "key directory of another user"]
REPAIRED += ["key 0600 of root", "key directory 0700 of root", "KeyTable 0600 of root", "the same domain twice"]


@needs("postconf", root=True)
@pytest.mark.parametrize("case", [c for c in BROKEN if c.name in REPAIRED], ids=lambda case: case.name)
def test_fix(dkimctl_inside: DkimctlInside, case: Case) -> None:
    """`--fix` prints each repair and applies it, and the pitfall is gone; a second run finds nothing to repair."""
    case.break_it(Tree(dkimctl_inside.root))
    fixed = dkimctl_inside("doctor", "--fix", "--json")
    assert case.code not in {f["code"] for f in fixed.json["findings"]}
    assert any(word in fixed.err for word in ("chown", "chmod", "sed -i"))
    assert fixed.json["changed"] is True
    again = dkimctl_inside("doctor", "--fix", "--json")
    assert (again.err, again.code, again.json["changed"]) == ("", fixed.code, False)


@needs("postconf", root=True)
@pytest.mark.parametrize("is_link", [True, False], ids=["a link", "a second name"])
def test_no_file_is_given_away_that_the_daemons_user_has_named_a_key(
    dkimctl_inside: DkimctlInside, is_link: bool
) -> None:
    """Another daemon's key under the name of its own: `--fix` leaves it alone, and no command would give it away."""
    tree = Tree(dkimctl_inside.root)
    theirs, key = tree.at("/etc/tls.key"), tree.at(KEY)
    shutil.copyfile(key, theirs)
    theirs.chmod(0o600)
    key.unlink()
    key.symlink_to("../../../tls.key") if is_link else key.hardlink_to(theirs)
    ran = dkimctl_inside("doctor", "--fix", "--json")
    (fix,) = [f["fix"] for f in ran.json["findings"] if f["code"] == "DKIM602"]
    assert fix.startswith(f"ls -l {key} ")
    assert not any(word in fix + ran.err for word in ("chown", "chmod"))
    assert (theirs.stat().st_uid, theirs.stat().st_mode & 0o777) == (0, 0o600)


@needs("postconf", root=True)
def test_fix_leaves_alone_what_could_hurt(dkimctl_inside: DkimctlInside) -> None:
    """A directory that others need, such as /tmp or a home, keeps its mode: the key has to move."""
    tree = Tree(dkimctl_inside.root)
    tree.move_key("/tmp/keys/mail.private")
    ran = dkimctl_inside("doctor", "--fix")
    assert ran.code == 1
    assert tree.at("/tmp").stat().st_mode & 0o7777 == 0o1777
    assert f"install -o 3103 -g 3107 -m 0600 {tree.at('/tmp/keys/mail.private')}" in ran.out


@needs("postconf", root=True)
def test_fix_does_not_follow_a_link(dkimctl_inside: DkimctlInside) -> None:
    """`--fix` leaves a table that is a link: its target may belong to another user and has to be repaired by hand."""
    tree = Tree(dkimctl_inside.root)
    row = "example.com mail._domainkey.example.com\n"
    tree.write("/srv/signing", row + row)
    tree.at(SIGNING).unlink()
    tree.at(SIGNING).symlink_to("/srv/signing")
    ran = dkimctl_inside("doctor", "--fix")
    assert "is a symbolic link" in ran.err
    assert tree.at(SIGNING).is_symlink()
    assert tree.at("/srv/signing").read_text() == row + row


@needs("postconf", root=True)
def test_a_long_table(dkimctl_inside: DkimctlInside) -> None:
    """Faults among 20,000 rows are found; a thousand of one code are reported one by one, the rest are counted."""
    tree = Tree(dkimctl_inside.root)
    rows = range(20_000)
    tree.write(KEYS, "".join(f"k{n} d{n}.example:mail:{KEY}\n" for n in rows) + "K9000 broken\n")
    tree.write(SIGNING, "".join(f"d{n}.example {'K' if n == 8_000 else 'k'}{n}\n" for n in rows) + "d7.example k8\n")
    found = {f["code"]: f for f in dkimctl_inside("doctor", "--json").json["findings"]}
    assert "8001c d8000.example k8000'" in found["DKIM751"]["fix"]
    assert "line 20001" in found["DKIM752"]["seen"]
    assert "line 8: d7.example k7, which is used; line 20001" in found["DKIM758"]["seen"]
    tree.write(SIGNING, "d0.example k0\n")
    unused = [f for f in dkimctl_inside("doctor", "--json").json["findings"] if f["code"] == "DKIM768"]
    assert len(unused) == 1_001
    assert unused[0]["seen"].startswith("20000 of the same kind, of which 1000 are shown; one of the others: ")


@needs("postconf", root=True)
def test_forms(dkimctl_inside: DkimctlInside) -> None:
    """Text fits 80 columns except for commands, Nagios gets one status line first, Prometheus its metrics."""
    tree = Tree(dkimctl_inside.root)
    tree.change(KEY, 0o644)
    text = dkimctl_inside("doctor")
    assert max(len(line) for line in text.out.splitlines() if "fix:" not in line) <= 80
    assert f"fix: chmod 0600 {tree.at(KEY)}\n" in text.out
    assert text.out.endswith("1 error, 2 info\n")
    nagios = dkimctl_inside("doctor", "--format", "nagios")
    [line] = nagios.out.splitlines()
    assert line.startswith("DKIM HOST CRITICAL - 1 error: DKIM606 ")
    assert line.endswith(" | error=1 unknown=0 warning=0")
    assert dkimctl_inside("doctor", "--format", "nagios", "-v").out.startswith(f"{line}\nDKIM606 ")
    prometheus = dkimctl_inside("doctor", "--format", "prometheus")
    assert 'dkimctl_host_findings{code="DKIM606",severity="error"} 1\n' in prometheus.out
    assert "dkimctl_host_right 0\n" in prometheus.out
    assert (text.code, nagios.code, prometheus.code) == (1, 2, 1)


@needs("postconf", root=True)
def test_quiet_is_silent_only_while_nothing_is_wrong(dkimctl_inside: DkimctlInside) -> None:
    """With -q cron has nothing to mail of a host that is right; what is wrong is printed as without."""
    tree = Tree(dkimctl_inside.root)
    right = dkimctl_inside("doctor", "-q")
    assert (right.code, right.out, right.err) == (0, "", "")
    assert dkimctl_inside("doctor", "-q", "--json").json["changed"] is False, "a document is wanted all the same"
    tree.change(KEY, 0o644)
    quiet = dkimctl_inside("doctor", "-q").out
    assert "DKIM606" in quiet
    assert "info" not in quiet


@needs("postconf", root=True, namespaces=True)
def test_a_user_who_may_not_look(dkimctl_of_nobody: DkimctlOfNobody) -> None:
    """For an ordinary user, doctor names what could not be checked: exit code 3, and never a pass."""
    tree = Tree(dkimctl_of_nobody.root)
    ran = dkimctl_of_nobody("doctor", "--json")
    codes = {f["code"] for f in ran.json["findings"]}
    assert ran.code == 3, ran.out
    assert "DKIM619" in codes
    assert "DKIM900" not in codes
    tree.change("/etc/opendkim/KeyTable", 0o600)
    tree.change("/etc/opendkim.conf", 0o600)
    ran = dkimctl_of_nobody("doctor", "--json")
    assert (ran.code, {f["code"] for f in ran.json["findings"]} & {"DKIM990", "DKIM900"}) == (3, {"DKIM990"})


@pytest.fixture(scope="module")
def name_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real knot in which every selector is wrong in its own way; the environment that leads to it."""
    good = record_for(key_pair().public, "rsa", Tags()).text
    other = record_for(key_pair("rsa", 1024).public, "rsa", Tags()).text
    zone = (
        name_servers("127.0.0.1")
        + "".join(
            txt(f"{selector}._domainkey", *texts)
            for selector, texts in {
                "mail": [good],
                "cut": [good[:255]],
                "quoted": [good.replace("p=", 'p=\\"')],
                "two": [good, "v=spf1 -all"],
                "stale": [other],
                "hash": [good.replace("h=sha256", "h=rsa-sha256")],
                "testing": [good.replace("; p=", "; t=y; p=")],
                "strict": [good.replace("; p=", "; t=s; p=")],
                "tls": [good.replace("; p=", "; s=tlsrpt; p=")],
            }.items()
        )
        + txt("doubled._domainkey.example.com", good)
    )
    port = free_port_everywhere("127.0.0.1")
    knot = Knot(tmp_path_factory.mktemp("knot"), "127.0.0.1", port, {"example.com": zone}).start()
    yield {"DKIMCTL_NAMESERVERS": f"127.0.0.1:{port}", "DKIMCTL_DNS_PORT": str(port)}
    knot.stop()


@needs("postconf", "knotd", root=True)
@pytest.mark.parametrize(
    ("selector", "is_wrong"),
    [
        *(("mail", False), ("cut", True), ("quoted", True), ("doubled", True), ("absent", True), ("two", True)),
        *(("stale", True), ("hash", True), ("testing", True), ("strict", True), ("tls", True)),
    ],
)
def test_key_records(dkimctl_inside: DkimctlInside, name_server: dict[str, str], selector: str, is_wrong: bool) -> None:
    """With --dns the record of every key that signs is checked: pitfalls 13 to 18, under the codes of verify-dns."""
    tree = Tree(dkimctl_inside.root)
    tree.swap(KEYS, "example.com:mail:", f"example.com:{selector}:")
    ran = dkimctl_inside("doctor", "--dns", "--json", env=name_server)
    about = [f for f in ran.json["findings"] if f["code"] < "DKIM600"]
    assert bool(about) is is_wrong, ran.out
    assert all(f["severity"] in ("error", "warning") for f in about)


@needs("postconf", "knotd", root=True)
@pytest.mark.parametrize(("selector", "is_wrong"), [("mail", False), ("absent", True)])
def test_the_record_of_a_key_without_tables(
    dkimctl_inside: DkimctlInside, name_server: dict[str, str], selector: str, is_wrong: bool
) -> None:
    """The record of Domain, Selector and KeyFile is checked as well."""
    tree = Tree(dkimctl_inside.root)
    key_file(tree)
    tree.conf("Selector", selector)
    ran = dkimctl_inside("doctor", "--dns", env=name_server)
    assert (f"{selector}._domainkey.example.com" in ran.out) is is_wrong, ran.out
    assert ("1 key, " in ran.out) is not is_wrong


def test_nothing_there(dkimctl_inside: DkimctlInside) -> None:
    """No opendkim.conf and no Postfix: one finding on a host that was never set up, else a finding each."""
    ran = dkimctl_inside("doctor", "--json")
    assert [f["code"] for f in ran.json["findings"]] == ["DKIM720"]
    manage(settings_for(dkimctl_inside.root), "example.com")
    ran = dkimctl_inside("doctor", "--json")
    assert {"DKIM701", "DKIM822"} <= {f["code"] for f in ran.json["findings"]}
    assert ran.code == 1


@needs("postconf", root=True)
def test_a_pattern_that_nobody_misses(dkimctl_inside: DkimctlInside) -> None:
    """A pattern in a file: table is a warning where an exact row signs that mail, and an error where none does."""
    tree = Tree(dkimctl_inside.root)
    rows = ("*@example.com", "*@*.example.com", "*@a.example.com", "*@example.net", "*@*.example.net")
    tree.append(SIGNING, "".join(f"{row} mail._domainkey.example.com\n" for row in rows))
    found = [f for f in dkimctl_inside("doctor", "--json").json["findings"] if f["code"] == "DKIM755"]
    by_line = {f["subject"].rpartition(" ")[2]: f["severity"] for f in found}
    assert by_line == {SIGNING: "warning", "5": "warning", "6": "error", "7": "error"}
    assert next(f["seen"] for f in found if f["subject"] == SIGNING).endswith("2 such rows")


BLOCK = "# BEGIN dkimctl: rewritten by dkimctl; your own lines go above or below\n{}\n# END dkimctl\n"


@needs("postconf", root=True)
@pytest.mark.parametrize(("selector", "is_repaired"), [("mail", True), ("old", False)])
def test_a_row_of_people_before_one_of_dkimctl(dkimctl_inside: DkimctlInside, selector: str, is_repaired: bool) -> None:
    """Of two equal rows the hand-written one is removed; with different keys the user has to decide."""
    tree = Tree(dkimctl_inside.root)
    row = f"mail._domainkey.example.com example.com:mail:{KEY}"
    tree.write(KEYS, row.replace(":mail:", f":{selector}:") + "\n" + BLOCK.format(row))
    ran = dkimctl_inside("doctor", "--json")
    [fix] = [f["fix"] for f in ran.json["findings"] if f["code"] == "DKIM757"]
    assert "1s/^/#/" in fix
    dkimctl_inside("doctor", "--fix")
    assert tree.at(KEYS).read_text().startswith("#mail") is is_repaired
    assert tree.at(KEYS).read_text().endswith(BLOCK.format(row))


@needs("postconf", root=True)
@pytest.mark.parametrize(
    ("path", "code"), [("/etc/postfix/main.cf", 3), ("/etc/opendkim/KeyTable", 3), ("/etc/opendkim.conf", 3)]
)
def test_a_link_that_leads_to_itself(dkimctl_inside: DkimctlInside, path: str, code: int) -> None:
    """An unreadable file is not treated as absent: its content is unknown, and the command shows where access fails."""
    tree = Tree(dkimctl_inside.root)
    tree.at(path).unlink()
    tree.at(path).symlink_to(tree.at(path).name)
    ran = dkimctl_inside("doctor", "--json")
    [finding] = [f for f in ran.json["findings"] if f["code"] == "DKIM990"]
    assert ran.code == code
    assert "too many levels of symbolic links" in finding["seen"]
    assert finding["fix"].startswith(f"namei -l {tree.root}/etc/")
    assert "DKIM822" not in {f["code"] for f in ran.json["findings"]}


@needs("postconf", root=True, namespaces=True)
def test_a_postfix_that_is_closed_to_us(dkimctl_of_nobody: DkimctlOfNobody) -> None:
    """For an ordinary user a directory that only root may enter is "unknown", not "there is no Postfix"."""
    tree = Tree(dkimctl_of_nobody.root)
    tree.at("/etc/postfix").chmod(0o700)
    commands = (("selftest", "example.com", "--via", "smtp"), ("adopt",), ("doctor", "--json"))
    *others, ran = [dkimctl_of_nobody(*command) for command in commands]
    assert ran.code != 70, ran.err
    assert (ran.code, "DKIM822" in {f["code"] for f in ran.json["findings"]}) == (3, False)
    assert {other.code for other in others} == {3}, others


@needs("postconf", root=True)
def test_a_tree_that_counts_its_users_otherwise(dkimctl_inside: DkimctlInside) -> None:
    """Files made in a tree belong to the tree's own opendkim and postfix users, by uid, and doctor accepts them."""
    tree = Tree(dkimctl_inside.root)
    for path in (KEYS, SIGNING):
        tree.at(path).unlink()
    made = dkimctl_inside("genkey", "example.net")
    assert made.code == 0, made.err
    assert dkimctl_inside("render-config", "--install", "--allow-unproven").code == 0
    ran = dkimctl_inside("doctor", "--json")
    assert [f for f in ran.json["findings"] if f["severity"] in ("error", "unknown")] == []
    [key] = tree.at("/etc/opendkim/keys/example.net").glob("*.private")
    assert (key.stat().st_uid, key.stat().st_gid) == (3103, 3107)
    socket_directory = tree.at("/var/spool/postfix/opendkim").stat()
    assert (socket_directory.st_uid, socket_directory.st_gid) == (3103, 3105)
    assert dkimctl_inside("genkey", "example.org", "--owner", "nobody:mail").code == 0
    unknown = dkimctl_inside("genkey", "example.edu", "--owner", "nobody:nothing")
    assert (unknown.code, f"no such user or group in {tree.root}" in unknown.err) == (2, True)
