"""Number of broken hosts that other programs detect: `opendkim -n`, `opendkim-testkey` and `postfix check`.

Every tool looks at the same trees, mounted over this machine's own files. The key's record is served to
opendkim-testkey by its own resolver library, so that no network is needed. By default every sixth host;
`DKIMCTL_TEST_FULL=1` takes all.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.doctor.run import diagnose
from dkimctl.host.world import read_world
from dkimctl.keys.metadata import Tags
from dkimctl.record.model import record_for
from tests.conftest import FULL, needs
from tests.doctor_cases import BROKEN
from tests.host_tree import Tree, key_pair

STEP = 1 if FULL else 6
ASK = """
cp /etc/opendkim.conf /etc/t.conf; printf '\\nResolverConfiguration /etc/resolver.conf\\n' >> /etc/t.conf
opendkim -n -x /etc/opendkim.conf >/dev/null 2>&1; echo "opendkim $?"
opendkim-testkey -x /etc/t.conf >/etc/said 2>&1; echo "testkey $?"
postfix check >/etc/checked 2>&1; code=$?; [ -s /etc/checked ] && code=1; echo "postfix $code"
"""


def resolver() -> str:
    """An unbound configuration that knows the one key record."""
    text = record_for(key_pair().public, "rsa", Tags()).text
    parts = " ".join(f'"{text[n : n + 250]}"' for n in range(0, len(text), 250))
    return f"server:\n  local-data: 'mail._domainkey.example.com. 60 IN TXT {parts}'\n"


def verdicts(tree: Tree) -> dict[str, bool]:
    """Return, for each program, whether it exited with an error or postfix printed a warning."""
    tree.write("/etc/resolver.conf", resolver())
    lines = tree.namespace(ASK.strip().replace("\n", "; ")).stdout.splitlines()
    return {name: code != "0" for name, code in (line.split() for line in lines)}


@needs("opendkim", "opendkim-testkey", "postfix", root=True, namespaces=True)
def test_peers(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """All programs accept a correct host; doctor finds every broken one, and each of the others a few."""
    assert verdicts(Tree(tmp_path / "sound")) == {"opendkim": False, "testkey": False, "postfix": False}
    cases = BROKEN[::STEP]
    found: Counter[str] = Counter()
    for number, case in enumerate(cases):
        tree = Tree(tmp_path / str(number))
        case.break_it(tree)
        found["doctor"] += case.code in {d.finding.code for d in diagnose(read_world(Settings(root=tree.root)))}
        found.update({name for name, noticed in verdicts(tree).items() if noticed})
    record_property("counted: broken hosts shown to doctor and to other programs", len(cases))
    for name, program in NAMES.items():
        record_property(f"counted: broken hosts that {program} finds", found[name])
    assert found["doctor"] == len(cases)
    assert max(found[name] for name in NAMES if name != "doctor") < len(cases) / 2


NAMES = {"doctor": "doctor", "opendkim": "opendkim -n", "testkey": "opendkim-testkey", "postfix": "postfix check"}
