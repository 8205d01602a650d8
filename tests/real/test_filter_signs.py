"""A content filter that may sign, such as amavis, where the opendkim of this host signs nothing."""

import json
from collections.abc import Callable

from tests.conftest import needs
from tests.real.content_filter import content_filter
from tests.real.relay import Relay

pytestmark = needs("opendkim", "postfix", "postconf", root=True, namespaces=True)


def test_a_filter_is_checked_and_not_judged_unasked(relay: Relay, free_port: Callable[[], int]) -> None:
    """A dead one keeps all mail back, an error; what the selftest does not ask is not known to leave mail unsigned."""
    port, machine = free_port(), relay.machine
    value = f"smtp-amavis:[127.0.0.1]:{port}"
    machine.write("/etc/opendkim.conf", "Syslog yes\nSocket local:/run/opendkim/opendkim.sock\n")
    machine.run("postconf", "-e", f"content_filter = {value}", "smtpd_milters =", "non_smtpd_milters =")
    dead = json.loads(machine.dkimctl("doctor", "--no-dns", "--json", check=False).stdout)["findings"]
    assert [(f["code"], f["subject"]) for f in dead if f["severity"] == "error"] == [("DKIM901", value)]
    with content_filter(port, port):
        alive = json.loads(machine.dkimctl("doctor", "--no-dns", "--json").stdout)["findings"]
    [signer] = [f for f in alive if f["code"] == "DKIM993"]
    assert signer["fix"].startswith("dkimctl selftest DOMAIN --to YOU --relay 127.0.0.1")
    assert "amavisd showkeys" in signer["fix"]
    ended = machine.dkimctl("selftest", "domain.tld", "--via", "smtp", "--json", check=False)
    attempt = json.loads(ended.stdout)["selftest"]["attempts"][0]
    assert (ended.returncode, attempt["state"]) == (3, "unknown")
    assert f"content_filter = {value} was not asked, which may sign it" in attempt["seen"]
