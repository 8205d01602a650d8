"""What the tests share: what they need of the machine, ports, the command line as a user types it, the skip report."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.ports import free_port_everywhere
from tests.postgres import _template, empty_database, fleet_database, postgres  # noqa: F401  fixtures for everybody
from tests.reachable import reachable_for_all
from tests.schemas import assert_documents_valid
from tests.stores import stores  # noqa: F401

REPOSITORY = Path(__file__).parent.parent
FULL = os.environ.get("DKIMCTL_TEST_FULL") == "1"
"""Whether long matrices are run as a whole; otherwise a sample of each is."""
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"  # where daemons live; an ordinary user's PATH lacks it
os.environ["PATH"] += os.pathsep + SYSTEM_PATH

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a script has it for what it runs with &
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a test starts is to hear Ctrl-C all the same

needs = pytest.mark.needs
"""`@needs("opendkim", "postfix", root=True, namespaces=True)`: programs, and what the caller must be allowed to do."""

hypothesis.settings.register_profile("dkimctl", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("dkimctl")


# --- what a test needs of the machine ---------------------------------------------------------------------------------


def debian_packages() -> dict[str, str]:
    """Program → Debian package, from the list that `tests/run` installs from."""
    lines = (REPOSITORY / "tests/debian-packages").read_text().splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose needs are not met, saying what is missing and how to get it."""
    for mark in item.iter_markers("needs"):
        reason = _missing(*mark.args, **mark.kwargs)
        if reason:
            pytest.skip(reason)


def _missing(*programs: str, root: bool = False, namespaces: bool = False) -> str:
    packages = debian_packages()
    for program in programs:
        if program not in packages:
            raise pytest.UsageError(f"needs({program!r}): add it with its package to tests/debian-packages")
        if shutil.which(program) is None:
            return f"{program} is not installed (apt-get install {packages[program]})"
    if root and os.geteuid() != 0:
        return "root is needed"
    if namespaces and not _may_mount():
        return "a mount namespace of its own is needed (unshare -m)"
    return ""


@cache
def _may_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


# --- the order --------------------------------------------------------------------------------------------------------


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take long, so that at the end no processor is idle while one of them goes on."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


class Scheduling(LoadScopeScheduling):
    """Workers get one test after the other, but all of a file in which something is made once for its tests."""

    def _split_scope(self, nodeid: str) -> str:
        place = nodeid.partition("::")[0]
        return place if _makes_something_once(place) else nodeid


@cache
def _makes_something_once(place: str) -> bool:
    path = REPOSITORY / place
    text = path.read_text() if path.is_file() else ""  # tests of the tests are elsewhere
    return 'scope="module"' in text or 'scope="session"' in text


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Have the tests distributed as above; xdist's own groups do nothing since pytest 9.2."""
    return Scheduling(config, log)


# --- no network beyond this machine -----------------------------------------------------------------------------------


def _stay_at_home(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse, inside the test process, every connection and datagram that would leave the machine."""
    if event not in ("socket.connect", "socket.sendto"):
        return
    address = arguments[1]
    if not isinstance(address, tuple) or not address:
        return
    try:
        is_home = ip_address(str(address[0]).partition("%")[0]).is_loopback
    except ValueError:
        is_home = address[0] == "localhost"
    if not is_home:
        raise PermissionError(f"a test wanted to reach {address[0]}: only loopback is allowed")


sys.addaudithook(_stay_at_home)


# --- ports ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Each call gives a port that nobody uses, on 127.0.0.1 and 127.0.0.2, and that no other test was given."""
    return lambda: free_port_everywhere("127.0.0.1", "127.0.0.2")


# --- the command line -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


@dataclass
class Scratch:
    """An environment of its own for dkimctl: system paths below `root`, nothing inherited that steers it."""

    home: Path
    root: Path

    def environment(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        """The variables that the command sees."""
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("DKIMCTL_", "OVH_", "_DKIMCTL", "COLUMNS"))
        }
        own = {
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "DKIMCTL_ROOT": str(self.root),
            "PYTHONPATH": str(REPOSITORY),
            "COLUMNS": "80",
        }
        return {**inherited, **own, **(extra or {})}


def open_to_others(path: Path) -> None:
    """Let every user reach `path`: pytest closes its temporary directories, and daemons run as users of their own."""
    for parent in path.parents:
        if parent.parent == Path(parent.anchor) or parent.stat().st_uid != os.geteuid():
            return
        parent.chmod(parent.stat().st_mode | 0o011)


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    """A home and an empty system root below tmp_path."""
    made = Scratch(tmp_path / "home", tmp_path / "root")
    made.home.mkdir()
    made.root.mkdir()
    return made


@dataclass
class Dkimctl:
    """`dkimctl(*arguments)` runs the program as its own process, as a user would type it, in a scratch environment."""

    scratch: Scratch

    def __call__(
        self,
        *arguments: str | Path,
        env: dict[str, str] | None = None,
        input: str | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
    ) -> Run:
        ended = subprocess.run(
            self._command(arguments),
            env=self.scratch.environment(env),
            cwd=cwd or self.scratch.home,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert_documents_valid(arguments, ended.stdout)
        return Run(ended.returncode, ended.stdout, ended.stderr)

    def _command(self, arguments: tuple[str | Path, ...]) -> list[str]:
        return [sys.executable, "-m", "dkimctl", *map(str, arguments)]

    @property
    def root(self) -> Path:
        """The directory that stands for `/`."""
        return self.scratch.root


@dataclass
class DkimctlOfNobody(Dkimctl):
    """The same as an ordinary user types it: the scratch environment is open to them, and so is this Python."""

    def _command(self, arguments: tuple[str | Path, ...]) -> list[str]:
        for place in (self.scratch.root, self.scratch.home):
            open_to_others(place)
        become = f'{reachable_for_all()}\nexec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"'
        return ["unshare", "-m", "sh", "-c", become, "sh", *super()._command(arguments)]


@dataclass
class DkimctlInside(Dkimctl):
    """The same inside this process: many times faster; for everything that does not depend on being a process."""

    monkeypatch: pytest.MonkeyPatch

    def __call__(
        self,
        *arguments: str | Path,
        env: dict[str, str] | None = None,
        input: str | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
    ) -> Run:
        from dkimctl.entry import run

        out, err = io.StringIO(), io.StringIO()
        with self.monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name in set(os.environ) - set(wanted := self.scratch.environment(env)):
                patch.delenv(name)
            for name, value in wanted.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["dkimctl", *map(str, arguments)])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((input or "").encode())))
            if cwd:
                patch.chdir(cwd)
            code = run()
        assert_documents_valid(arguments, out.getvalue())
        return Run(code, out.getvalue(), err.getvalue())


@pytest.fixture
def dkimctl(scratch: Scratch) -> Dkimctl:
    """The program as a process: `run = dkimctl("record", "example.com")`, then run.code, run.out and run.err."""
    return Dkimctl(scratch)


@pytest.fixture
def dkimctl_of_nobody(scratch: Scratch) -> DkimctlOfNobody:
    """The program as a process of an ordinary user; needs(root=True, namespaces=True)."""
    return DkimctlOfNobody(scratch)


@pytest.fixture
def dkimctl_inside(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> DkimctlInside:
    """The program inside this process, with the same interface."""
    return DkimctlInside(scratch, monkeypatch)


# --- the last lines ---------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """After everything else, pytest's own counts included: what tests counted; what was skipped, how often, and why."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    counted: dict[str, int] = {}
    for report in reporter.stats.get("passed", ()):
        for name, count in report.user_properties:
            if name.startswith("counted: "):
                counted[name] = counted.get(name, 0) + count
    for name, count in sorted(counted.items()):
        reporter.write_line(f"{name.removeprefix('counted: ')}: {count}")
    reasons: dict[str, int] = {}
    for report in reporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in sorted(reasons.items()):
        reporter.write_line(f"skipped {count}: {reason}")
