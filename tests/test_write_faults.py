"""Killed, or with a failing system call: old, new, or named; the copy is there; the next run completes it.

`DKIMCTL_TEST_FULL=1` tries each kind of fault at every call that strace counts; without it a seeded sample is tried.
"""

import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dkimctl.config.settings import SIGNERS
from dkimctl.keys.metadata import Phase
from dkimctl.signers.rspamd.rendering import OLD_KEYS
from tests.conftest import needs
from tests.fleet_write_faults import FLEET_CASES, SENDING
from tests.handmade import plain_files
from tests.host_tree import MAIN, Tree
from tests.rendering import manage, settings_for, write
from tests.write_faults import ERRORS, KILL, Case, Fault, Files, copies_in, temporary_in

FULL = bool(os.environ.get("DKIMCTL_TEST_FULL"))
NAMING = (
    "/etc/opendkim/KeyTable",
    "/etc/rspamd/dkimctl/dkim_signing.conf",
    "/etc/dkimpy-milter/KeyTable",
    "/etc/dkimpy-milter/KeyTableEd25519",
)
"""Where keys are named by which a daemon signs."""
SAMPLE = 4
"""Faults of each command, without DKIMCTL_TEST_FULL."""
FLEET_SAMPLE = 2
"""The same of each command of a fleet."""
ZONE = """\
$TTL 3600
@ IN SOA ns1.example.com. hostmaster.example.com. 2026010101 3600 900 1209600 300
@ IN NS ns1
ns1 IN A 192.0.2.1
"""

pytestmark = [needs("strace", "postconf", root=True), pytest.mark.long]


def _with_key(root: Path) -> None:
    root.mkdir()
    Tree(root)


def _to_render(root: Path) -> None:
    """An installation with a person's lines, to which a domain was added, and a Postfix that does not know of it."""
    Tree(root)
    settings = settings_for(root)
    manage(settings, "example.net", "example.org", phase=Phase.ACTIVE)
    own = [line for line in MAIN.splitlines(keepends=True) if "milter" not in line]
    write(root, "/etc/postfix/main.cf", "".join(own) + "# a person's line\n", mode=0o640)


def _installed(root: Path) -> None:
    _to_render(root)
    ran = Case("render-config", _to_render, ("render-config", "--install")).run(root)
    assert ran.code == 0, ran.err


def _to_publish(root: Path) -> None:
    settings = settings_for(root)
    manage(settings, "example.com", phase=Phase.GENERATED)
    write(root, "/etc/bind/db.example.com", ZONE)


def _to_adopt(root: Path) -> None:
    plain_files(root)


def _adopted(root: Path) -> None:
    plain_files(root)
    case = Case("adopt", _to_adopt, ("adopt", "--install"))
    assert case.run(root).code == 0


def _to_another_signer(name: str) -> Callable[[Path], None]:
    """An installation for opendkim, which now another daemon is to sign for; with copies where they lay before."""

    def build(root: Path) -> None:
        _installed(root)
        user = SIGNERS[name].owner.partition(":")[0]
        for file, line in (("passwd", f"{user}:x:3110:3110::/:/bin/false\n"), ("group", f"{user}:x:3110:\n")):
            with (root / "etc" / file).open("a") as accounts:
                accounts.write(line)
        settings = settings_for(root)
        manage(settings, "example.net", "example.org", selector="ed", algorithm="ed25519")
        write(root, f"{OLD_KEYS}/mail._domainkey.example.net.key", "an old copy", mode=0o600)

    return build


def _install_for(name: str) -> Case:
    install = ("render-config", "--install", "--allow-unproven", "--signer", name)
    return Case(name, _to_another_signer(name), install, removes=(f"{OLD_KEYS}/mail._domainkey.example.net.key",))


def _installed_for(name: str) -> Callable[[Path], None]:
    """An installation for another daemon, which has copies of the keys; its note is the only one."""

    def build(root: Path) -> None:
        case = _install_for(name)
        case.build(root)
        (root / "var/backups/dkimctl/installed.json").unlink()  # each --undo goes back one installation
        ran = case.run(root)
        assert ran.code == 0, ran.err

    return build


_COPIES = tuple(f"/etc/dkimpy-milter/keys/ed._domainkey.example.{end}.key" for end in ("net", "org"))


def _taken_out(name: str, signer: str, *command: str, removes: tuple[str, ...] = ()) -> Case:
    return Case(f"{name}-{signer}", _installed_for(signer), command, undoes=True, removes=removes)


CASES: dict[str, Callable[[], Case]] = {
    "genkey": lambda: Case(
        "genkey",
        _with_key,
        ("genkey", "-s", "new", "new.example", "--if-missing"),
        keeps_copies=False,
        makes=("/new.example/",),
    ),
    "publish": lambda: Case(
        "publish",
        _to_publish,
        ("publish", "example.com", "--no-wait", "--provider", "zonefile:/etc/bind/db.example.com"),
        threads=True,
        keeps_copies=False,
    ),
    "render-config": lambda: Case("render-config", _to_render, ("render-config", "--install")),
    "rspamd": lambda: _install_for("rspamd"),
    "dkimpy-milter": lambda: _install_for("dkimpy-milter"),
    "adopt": lambda: Case("adopt", _to_adopt, ("adopt", "--install")),
    "undo": lambda: Case("undo", _adopted, ("adopt", "--undo"), undoes=True),
    "undo-install": lambda: Case("undo-install", _installed, ("render-config", "--undo"), undoes=True),
    "uninstall": lambda: Case("uninstall", _installed, ("uninstall",), undoes=True),
    "undo-dkimpy-milter": lambda: _taken_out(
        "undo", "dkimpy-milter", "render-config", "--undo", "--signer", "dkimpy-milter"
    ),
    "uninstall-dkimpy-milter": lambda: _taken_out("uninstall", "dkimpy-milter", "uninstall", removes=_COPIES),
    "delete": lambda: Case("delete", _to_publish, ("delete", "example.com"), keeps_copies=False, is_noted=True),
}


@pytest.fixture(params=[*CASES, *FLEET_CASES])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """Each command in turn, on its tree."""
    if request.param in CASES:
        made = CASES[request.param]()
    else:
        made = FLEET_CASES[request.param](request.getfixturevalue("postgres"))
    made.prepare(tmp_path_factory.mktemp(made.name))
    yield made
    made.clean()


def faults(counts: Counter[str], *, in_child: bool) -> list[Fault]:
    """Each kind of fault at each call; and each rename after which no other works, so that nothing is put back."""
    found = [
        Fault(call, number, kind, in_child)
        for kind in (KILL, *ERRORS)
        for call, count in sorted(counts.items())
        for number in range(1, count + 1)
        if kind == KILL or call not in SENDING
    ]
    if not in_child:
        renames = [name for name in counts if name.startswith("rename")]
        found += [Fault(name, n, "EIO", goes_on=True) for name in renames for n in range(1, counts[name] + 1)]
    return found


def judge(case: Case, root: Path, fault: Fault, *, code: int, err: str) -> list[str]:
    """What is wrong right after the fault."""
    now, wrong = case.files(root), []
    if code == 0 == case.code and not _same(case, now, case.after):
        wrong.append(f"exit 0, but not done: {_differing(now, case.after)}")
    for path in {*case.before, *case.after, *now}:
        is_named = str(root / path.lstrip("/")) in err
        if (
            now.get(path) not in (case.before.get(path), case.after.get(path))
            and not is_named
            and not _is_of_this_run(case, path)
        ):
            wrong.append(f"{path} is neither old nor new")
    changed = [p for p in case.before if now.get(p) != case.before[p] and not p.startswith(case.ahead)]
    if case.keeps_copies and code not in (0, -9, 137):
        more = {path for path in set(now) - set(case.before) if not path.startswith(case.ahead)}
        unnamed = [p for p in {*changed, *more} if str(root / p.lstrip("/")) not in err]
        if unnamed and not _is_done_but_for_notes(case, now) and not _is_all_but_removed(case, now, err):
            wrong.append(f"half-done and not named: {sorted(unnamed)}: {err}")
    wrong += [f"{path} names {key}, which is not there" for path in NAMING for key in _missing_keys(now, path)]
    if case.keeps_copies:
        copies = list(copies_in(root))
        wrong += [
            f"no copy of {p}"
            for p in changed
            if not (p.endswith(".json") or p in case.removes or case.undoes)
            if (p, case.before[p][0]) not in copies
        ]
    return wrong


def _is_done_but_for_notes(case: Case, now: Files) -> bool:
    """Return True when all is new but for what comes before or notes how far it came."""
    return _same(case, now, case.after) or all(path.startswith(case.ahead) for path in _differing(now, case.after))


def _is_all_but_removed(case: Case, now: Files, err: str) -> bool:
    """Return True when all is new, and what should be gone as well is said to be there."""
    left = {path: now[path] for path in case.removes if path in now}
    return {**case.after, **left} == now and "the new configuration is in place" in err


def _missing_keys(now: Files, path: str) -> list[str]:
    """Return the private keys that a daemon's configuration names and does not find: it would sign nothing."""
    named = re.findall(r"/[\w./-]+\.(?:key|private)\b", now[path][0].decode()) if path in now else []
    return [key for key in named if key not in now]


def _is_of_this_run(case: Case, path: str) -> bool:
    """Return True for a new key's files, as each run makes another key, and for metadata with the time of this run."""
    return any(part in path for part in case.makes) or (case.is_noted and path.endswith(".json"))


def _same(case: Case, now: Files, wanted: Files) -> bool:
    if not case.makes and not case.is_noted:
        return now == wanted
    return {path: file[1:] for path, file in now.items()} == {path: file[1:] for path, file in wanted.items()}


def _differing(now: Files, wanted: Files) -> list[str]:
    return sorted(path for path in {*now, *wanted} if now.get(path) != wanted.get(path))


def one(case: Case, root: Path, fault: Fault) -> tuple[int, list[str]]:
    """Inject a fault, look, run again, look again; returns how many calls failed, and what is wrong."""
    ran, injected = case.inject(root, fault)
    wrong = judge(case, root, fault, code=ran.code, err=ran.err)
    if "Traceback" in ran.err or ran.code == 70 or ("write the output" in ran.err and fault.call != "write"):
        wrong.append(f"a bug in front of the user: {ran.err}")
    again = case.run(root, again=True)
    now = case.files(root)
    is_done = again.code == case.code or (case.undoes and "nothing to undo" in again.err)
    if not (is_done and _same(case, now, case.after)):
        wrong.append(f"the next run does not complete it: {again.code} {again.err} {_differing(now, case.after)}")
    left = [path for path in temporary_in(root) if path not in ran.err + again.err]
    if left:
        wrong.append(f"left under temporary names: {left}")
    if case.name == "adopt" and not wrong:
        undone = case.run_undo(root)
        if case.files(root) != case.before:
            wrong.append(f"--undo is incomplete: {undone.err} {_differing(case.files(root), case.before)}")
    return injected, [f"{fault}: {text}" for text in wrong]


def test_whatever_fails_it_is_old_new_or_named(
    case: Case, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Judged right after the fault and after the next run, faults in the rollback itself included."""
    counts = {in_child: case.count(tmp_path / "count", in_child=in_child) for in_child in (False, True)}
    assert not case.threads or counts[False] == case.count_threads(tmp_path / "count")
    chosen = [fault for in_child in counts for fault in faults(counts[in_child], in_child=in_child)]
    calls = sum(count.total() for count in counts.values())
    single = [fault for fault in chosen if not fault.goes_on]
    sent = sum(counts[in_child][call] for in_child in counts for call in SENDING)
    assert len(single) == len((*ERRORS, KILL)) * (calls - sent) + sent
    if not FULL:
        chosen = random.Random(20261129).sample(chosen, SAMPLE if case.name in CASES else FLEET_SAMPLE)
    places = [tmp_path / f"worker-{number}" for number in range(2)]

    def work(number: int) -> list[tuple[Fault, int, list[str]]]:
        return [(fault, *one(case, places[number], fault)) for fault in chosen[number :: len(places)]]

    with ThreadPoolExecutor(len(places)) as pool:
        results = [result for part in pool.map(work, range(len(places))) for result in part]
    wrong = [text for _, _, texts in results for text in texts]
    hit = sum(1 for _, injected, _ in results if injected)
    name = f"counted: {case.name}: "
    record_property(f"{name}calls that strace counts ({counts[True].total()} of them by postconf)", calls)
    record_property(f"{name}faults injected, of {len(chosen)} ({len(single)} at {calls} calls)", hit)
    assert wrong == [], "\n".join(wrong[:20])
    assert hit == len(results), [fault for fault, injected, _ in results if not injected]
