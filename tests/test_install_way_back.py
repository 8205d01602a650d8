"""Content filters and an installation: other people's mail, which returns from one as internal, is never signed."""

import re

import pytest

from tests.conftest import DkimctlInside, needs
from tests.doctor_cases import BACK_IN, LOCAL, PIPE, SMTP
from tests.host_tree import MAIN_PATH, MASTER_PATH, Tree
from tests.judging import signed_from_outside
from tests.test_doctor_commands import Paste, paste

__all__ = ["paste"]
pytestmark = needs("postconf", "postfix", "opendkim", root=True, namespaces=True)
OVER_SMTP = f"{SMTP}  -o content_filter=scan:[127.0.0.1]:10024\n{BACK_IN}{LOCAL}"


def filtered(tree: Tree, master: str) -> None:
    """A host with a content filter on which nothing signs yet."""
    tree.write(MASTER_PATH, master)
    for name in ("smtpd_milters", "non_smtpd_milters"):
        tree.main(name, "")


@pytest.mark.parametrize("master", [OVER_SMTP, f"{SMTP}  -o content_filter=scan:dummy\n{PIPE}{LOCAL}"])
def test_an_installation_does_not_open_the_way_back(dkimctl_inside: DkimctlInside, paste: Paste, master: str) -> None:
    """It is refused, shown or done, with the command that makes it safe; after that one it installs."""
    tree = Tree(dkimctl_inside.root)
    filtered(tree, master)
    before = tree.at(MAIN_PATH).read_text()
    shown, refused = dkimctl_inside("render-config"), dkimctl_inside("render-config", "--install")
    assert (shown.code, refused.code) == (1, 1)
    assert "mail from outside with one of your domains in From would be signed" in refused.err
    assert tree.at(MAIN_PATH).read_text() == before
    [command] = re.findall(r"(postconf -c .*?); then run", refused.err)
    assert paste(command).returncode == 0
    done = dkimctl_inside("render-config", "--install")
    assert done.code == 0, done.err
    assert "smtpd_milters = unix:opendkim/opendkim.sock" in tree.at(MAIN_PATH).read_text()
    assert not {f["code"] for f in dkimctl_inside("doctor", "--json").json["findings"]} & {"DKIM801", "DKIM828"}
    assert not signed_from_outside(tree)


def test_a_setup_stops_before_anything_is_published(dkimctl_inside: DkimctlInside) -> None:
    """No key is made and no record written for a domain that this host cannot sign for safely."""
    tree = Tree(dkimctl_inside.root)
    filtered(tree, OVER_SMTP)
    ran = dkimctl_inside("setup", "example.net", "--provider", "manual")
    assert ran.code == 1
    assert "-P 127.0.0.1:10025/inet/smtpd_milters=" in " ".join(ran.err.split())
    assert not tree.at("/etc/opendkim/keys/example.net").exists()


def test_a_hole_that_is_there_stops_no_installation(dkimctl_inside: DkimctlInside) -> None:
    """What the installation does not change is doctor's to report: a new domain's key can still be installed."""
    tree = Tree(dkimctl_inside.root)
    tree.write(MASTER_PATH, OVER_SMTP)
    assert "DKIM828" in {f["code"] for f in dkimctl_inside("doctor", "--json").json["findings"]}
    assert dkimctl_inside("render-config", "--install").code == 0
