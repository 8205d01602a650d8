"""What every signer promises, whichever daemon it is: one suite, run over each of them."""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from dkimctl.config.settings import SIGNERS as CONFIGURED
from dkimctl.config.settings import Settings
from dkimctl.install.compare import compare
from dkimctl.install.write import install
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.signers.base import Signer
from dkimctl.signers.dryrun import dry_run
from dkimctl.signers.registry import SIGNERS, all_signers, signer_named
from dkimctl.signers.rendered import Rendering
from tests.conftest import REPOSITORY
from tests.milters import milter, with_footer
from tests.ports import free_port_everywhere
from tests.rendering import NOW, manage, rendering_for, settings_for, store_for, tree

NAMES = tuple(SIGNERS)
PACKAGE = REPOSITORY / "dkimctl"


@pytest.fixture(params=NAMES)
def signer(request: pytest.FixtureRequest) -> Signer:
    """Each signer in turn."""
    return signer_named(request.param)


@pytest.fixture
def settings(tmp_path: Path, signer: Signer) -> Settings:
    """A tree whose signer it is, with an RSA and an Ed25519 key of one domain, and nothing installed."""
    settings = settings_for(tmp_path).signed_by(signer.name)
    manage(settings, "example.com")
    manage(settings, "example.com", selector="ed", algorithm="ed25519")
    return settings


def put(settings: Settings) -> Rendering:
    """Install what the tree should be told."""
    rendering = rendering_for(settings)
    install(rendering, settings, now=NOW)
    return rendering


def at_port(settings: Settings, port: int) -> Settings:
    """The same settings with the signer at this port of 127.0.0.1."""
    return replace(settings, signing=settings.signing._replace(socket=f"inet:{port}@127.0.0.1"))


def test_every_configured_signer_is_registered() -> None:
    """A name that dkimctl.toml may hold has a signer that calls itself so, and no signer lacks its defaults."""
    assert set(SIGNERS) == set(CONFIGURED)
    assert [signer.name for signer in all_signers()] == list(SIGNERS)


def test_a_signer_is_loaded_when_it_is_needed() -> None:
    """The registry by itself loads none of them, so that no folder of one daemon is a part of another's start."""
    code = "import sys, dkimctl.signers.registry as r; r.signer_named('opendkim'); print(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "dkimctl.signers.opendkim.signer" in loaded
    assert not [name for name in loaded if name.startswith(("dkimctl.signers.rspamd", "dkimctl.signers.dkimpy"))]


def test_installing_what_it_wants_leaves_nothing_to_do(settings: Settings, signer: Signer) -> None:
    """What it writes is what it finds afterwards: the next rendering equals what is installed."""
    put(settings)
    assert compare(rendering_for(settings), settings).is_empty


def test_it_reads_the_keys_that_it_wrote(settings: Settings, signer: Signer) -> None:
    """Nothing is installed before; afterwards exactly the keys of the rendering are, two where it signs twice."""
    assert signer.installed(settings) == frozenset()
    rendering = put(settings)
    assert signer.installed(settings) == {(key.domain, key.selector) for key in rendering.keys}
    assert len(rendering.keys) == (2 if signer.signs_twice else 1)


def test_looking_writes_nothing(settings: Settings, signer: Signer) -> None:
    """Everything that a signer is asked is answered without a change to the disk."""
    put(settings)
    before = tree(settings.root)
    rendering = rendering_for(settings)
    signer.installed(settings)
    signer.sockets(settings)
    signer.retired_sockets(settings)
    signer.listens_at(settings)
    signer.needs_restart(settings, signer.running(settings), {})
    assert dry_run(rendering, settings, {}) == "no dry run below --root"
    assert tree(settings.root) == before


def test_private_keys_lie_in_its_own_directory(settings: Settings, signer: Signer) -> None:
    """A copy of a key is 0600, in one of `key_copies`, which is 0700; where revoked ones are looked for."""
    rendering = put(settings)
    private = [file for file in rendering.files if file.is_private]
    assert bool(private) is bool(signer.key_copies)
    assert {str(PurePosixPath(file.path).parent) for file in private} == set(signer.key_copies[:1])
    assert all(file.mode == 0o600 for file in private)
    directories = {directory.path: directory.mode for directory in rendering.directories}
    assert {directories[place] for place in signer.key_copies[:1]} <= {0o750}


def test_the_file_that_names_the_others_comes_last(settings: Settings, signer: Signer) -> None:
    """Everything is at an absolute path, keys come first, and what the daemon reads first is put in place last."""
    files = rendering_for(settings).files
    assert all(file.path.startswith("/") for file in files)
    privacy = [file.is_private for file in files]
    assert privacy == sorted(privacy, reverse=True)
    assert not files[-1].is_private


def test_it_listens_where_it_is_told(settings: Settings, signer: Signer) -> None:
    """The socket of the settings comes first, and is the one of the installed configuration."""
    put(settings)
    wanted = parse_socket(settings.signing.socket)
    assert signer.sockets(settings)[0] == wanted
    assert signer.listens_at(settings) == wanted
    assert set(signer.retired_sockets(settings)) <= {wanted}


def test_a_daemon_that_does_not_answer_is_restarted(settings: Settings, signer: Signer) -> None:
    """An earlier run may have ended before the daemon was told: no reload reaches a daemon that does not listen."""
    settings = at_port(settings, free_port_everywhere("127.0.0.1"))
    put(settings)
    assert signer.needs_restart(settings, signer.running(settings), {})


def test_a_daemon_that_answers_is_left_running(settings: Settings, signer: Signer) -> None:
    """Where nothing changed no restart is needed; where something did, only by a daemon that cannot reload."""
    with milter(with_footer) as socket:
        settings = at_port(settings, socket.port)
        rendering = put(settings)
        before = signer.running(settings)
        assert not signer.needs_restart(settings, before, {})
        changed = {next(file.path for file in rendering.files): False}
        assert signer.needs_restart(settings, before, changed) is (signer.service(settings).reload is None)


def test_another_socket_needs_a_restart(settings: Settings, signer: Signer) -> None:
    """A daemon that moves is restarted, wherever something already answers at the new place."""
    put(settings)
    before = signer.running(settings)
    with milter(with_footer) as socket:
        settings = at_port(settings, socket.port)
        rendering = rendering_for(settings)
        changes = compare(rendering, settings).files
        install(rendering, settings, now=NOW)
        assert signer.needs_restart(settings, before, {change.path: False for change in changes})


def test_its_service_has_its_name(settings: Settings, signer: Signer) -> None:
    """The name is that of the program: what `start` runs, what the process is called, and what apt-get installs."""
    service = signer.service(settings)
    assert service.name == signer.name
    assert service.start.split()[0] == signer.name
    assert signer.running(settings).pid is None  # below --root


def test_a_retired_signer_has_its_say(settings: Settings, signer: Signer) -> None:
    """Where it was installed and another one is to sign, a rendering for that other one is still possible."""
    put(settings)
    for other in NAMES:
        rendering = rendering_for(settings.signed_by(other))
        assert rendering.signer == other
        assert store_for(settings).keys("example.com")


# --- the axis


def _names_compared(path: Path) -> list[int]:
    """The lines on which a file compares something with the name of a signer."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare):
            parts: list[ast.AST] = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        else:
            continue
        listed = [item for part in parts if isinstance(part, ast.Tuple | ast.List | ast.Set) for item in part.elts]
        constants = (item for item in [*parts, *listed] if isinstance(item, ast.Constant))
        found += [node.lineno for constant in constants if constant.value in SIGNERS]
    return found


def test_no_file_compares_the_name_of_a_signer() -> None:
    """What depends on the signer is asked of the signer; only its own folder may know its name."""
    own = {PACKAGE / "signers" / folder for folder in ("opendkim", "rspamd", "dkimpy")}
    files = (path for path in sorted(PACKAGE.rglob("*.py")) if own.isdisjoint(path.parents))
    assert [f"{path.relative_to(PACKAGE)}:{line}" for path in files for line in _names_compared(path)] == []
