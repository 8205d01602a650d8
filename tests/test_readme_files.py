"""README's table of files, modes and owners beside what the program makes."""

import re
import stat
from pathlib import Path

from tests.conftest import REPOSITORY, DkimctlInside, needs

ROW = re.compile(r"^\| `(/etc/opendkim/keys\S+)` \| (\d{4}) \| opendkim:opendkim \|", re.MULTILINE)
DAEMON = 65534  # stands for opendkim, which need not be installed


@needs(root=True)
def test_keys_and_metadata_after_publish(dkimctl_inside: DkimctlInside) -> None:
    """After genkey, and after publish has noted the phase, all in a key directory has README's mode and owner."""
    rows = dict(ROW.findall((REPOSITORY / "README.md").read_text()))
    assert {Path(path).suffix for path in rows} == {"", ".private", ".txt", ".json"}
    root, zone = dkimctl_inside.root, dkimctl_inside.root / "zone"
    (root / "etc/dkimctl").mkdir(parents=True)
    (root / "etc/dkimctl/dkimctl.toml").write_text(f'[keys]\nowner = "{DAEMON}:{DAEMON}"\n')
    zone.write_text("$ORIGIN example.com.\n$TTL 300\n@ IN SOA ns1 hostmaster 1 3600 600 86400 300\n@ IN NS ns1\n")
    assert dkimctl_inside("genkey", "example.com", "-s", "mail").code == 0
    ran = dkimctl_inside("publish", "example.com", "--provider", "zonefile:/zone", "--no-wait")
    assert ran.code == 0, ran.err
    metadata = root / "etc/opendkim/keys/example.com/mail.json"
    assert '"published"' in metadata.read_text()
    for path, mode in rows.items():
        name = path.replace("DOMAIN", "example.com").replace("SELECTOR", "mail").lstrip("/")
        status = (root / name).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (int(mode, 8), DAEMON, DAEMON), path
