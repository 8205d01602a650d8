"""What the host's readers read, beside the real programs: opendkim -e, opendkim -Q, and the names it knows."""

import subprocess
from pathlib import Path
from string import ascii_lowercase

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dkimctl.host.datasets import read_data_set
from dkimctl.host.installation import read_installation
from dkimctl.host.internal_hosts import HostList
from dkimctl.host.table_lookup import find_key, wanted_keys
from dkimctl.host.unit import read_service
from dkimctl.host.version import is_known_here
from dkimctl.opendkim.conf import Setting
from dkimctl.opendkim.parameters import KNOWN, OTHER_BUILDS
from tests.conftest import needs
from tests.host_tree import DROP_IN, Tree

VALUES = st.text(ascii_lowercase + "ABC019:/@.,-_ ", min_size=1, max_size=30).map(str.strip).filter(bool)
NAMES = st.sampled_from(["Socket", "SOCKET", "PidFile", "AuthservID", "TemporaryDirectory", "socket", "SyslogName"])
LABELS = st.text(ascii_lowercase[:3], min_size=1, max_size=2)
DOMAINS = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
USERS = st.sampled_from(["a", "b", "a+b", "a.b"])
quick = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@needs("opendkim")
@quick
@given(lines=st.lists(st.tuples(NAMES, VALUES, st.sampled_from(["", " # x", "\r", "\t"])), min_size=1, max_size=8))
def test_effective_settings(tmp_path: Path, lines: list[tuple[str, str, str]]) -> None:
    """The value in effect is the one that `opendkim -e` prints first: case, repeats, comments, CR and Include."""
    half = len(lines) // 2
    included, conf = tmp_path / "included", tmp_path / "conf"
    included.write_text("".join(f"{name} {value}{end}\n" for name, value, end in lines[:half]))
    conf.write_text(f"Include {included}\n" + "".join(f"{name}\t{value}{end}\n" for name, value, end in lines[half:]))
    daemon = read_installation(str(conf), Path)
    for name in {name.lower() for name, _, _ in lines}:
        said = subprocess.run(["opendkim", "-x", conf, "-e", name], capture_output=True, text=True).stdout
        assert daemon.get(name) == said.split("\n")[0]


def ask(data_set: str, question: str) -> str | None:
    """What `opendkim -Q` finds: the first field, or None."""
    query = f"{data_set}\n{question}/1\n"
    said = subprocess.run(["opendkim", "-Q", "-x", "/dev/null"], input=query, capture_output=True, text=True).stdout
    quoted = said.rpartition("'")[0].partition("'")[2]
    return None if "not found" in said else quoted


PATTERNS = st.builds(
    str.format, st.sampled_from(["*@{}", "*@*.{}", "*{}", "a@{}", "{}", ".{}", "*", "a@*", "*@*", "a+b@{}"]), DOMAINS
)


@needs("opendkim")
@quick
@given(rows=st.lists(PATTERNS, min_size=1, max_size=6), user=USERS, domain=DOMAINS)
def test_patterns(tmp_path: Path, rows: list[str], user: str, domain: str) -> None:
    """The row of a refile: SigningTable that fits an address is the one that opendkim's own lookup finds."""
    path = tmp_path / "table"
    path.write_text("".join(f"{row} k{number}\n" for number, row in enumerate(rows)))
    table = read_data_set(Setting("SigningTable", f"refile:{path}", "x", 1), Path)
    ours = next((w.name for w in wanted_keys(table, f"{user}@{domain}", several=False)), None)
    assert ours == ask(f"refile:{path}", f"{user}@{domain}")


@needs("opendkim")
@quick
@given(
    rows=st.lists(st.sampled_from(["k", "K", "kk", "k*", "*", "k.k"]), min_size=1, max_size=5),
    wanted=st.sampled_from(["k", "K", "kk", "kxk"]),
)
def test_key_names(tmp_path: Path, rows: list[str], wanted: str) -> None:
    """In a file: KeyTable case counts, and the first of several rows is the one that opendkim finds."""
    path = tmp_path / "table"
    path.write_text("".join(f"{row} d{number}:s:/k\n" for number, row in enumerate(rows)))
    table = read_data_set(Setting("KeyTable", f"file:{path}", "x", 1), Path)
    found = find_key(table, wanted)
    assert (found.value if found else None) == ask(f"file:{path}", wanted)


@needs("opendkim")
def test_known_parameters() -> None:
    """The names that opendkim.conf may have are those of the installed opendkim 2.11."""
    assert [name for name in KNOWN.values() if name != "Include" and not is_known_here(name)] == []
    assert [name for name in [*OTHER_BUILDS.values(), "Nonsense"] if is_known_here(name)] == []


def test_unit_and_drop_ins(tmp_path: Path) -> None:
    """The last assignment counts, a drop-in of /etc hides one of the same name in /lib, options of all spellings."""
    tree = Tree(tmp_path / "root")
    tree.write("/lib/systemd/system/opendkim.service.d/override.conf", "[Service]\nExecStart=/hidden -p inet:1@x\n")
    tree.write("/lib/systemd/system/opendkim.service.d/10-a.conf", "[Service]\nRestart=no\n[Unit]\nRestart=x\n")
    tree.write(DROP_IN, "[Service]\nExecStart=\nExecStart=/usr/sbin/opendkim -A \\\n  -plocal:/s -P '/a b' -x/c.conf\n")
    service = read_service(tree.at)
    assert [(service.option(n) or service.lines[0]).value for n in ("Socket", "PidFile", "conf")] == [
        "local:/s",
        "/a b",
        "/c.conf",
    ]
    assert service.find("Restart") == Setting("Restart", "no", "/lib/systemd/system/opendkim.service.d/10-a.conf", 2)
    assert service.option("Mode") is None


def test_internal_hosts_by_hand(tmp_path: Path) -> None:
    """Addresses, networks, names and exceptions, as opendkim.conf(5) explains them."""
    path = tmp_path / "hosts"
    path.write_text("10.0.0.0/8\n!10.1.2.3\n.example.com\n!bad.example.com\n2001:db8::/32\n")
    hosts = HostList(read_data_set(Setting("InternalHosts", f"file:{path}", "x", 1), Path))
    inside = [("10.9.9.9", ""), ("192.0.2.1", "a.example.com"), ("2001:db8::5", "unknown")]
    outside = [("10.1.2.3", ""), ("192.0.2.1", "bad.example.com"), ("2001:db9::5", ""), ("192.0.2.1", "example.com")]
    assert [hosts.has(*client) for client in inside + outside] == [True] * 3 + [False] * 4
