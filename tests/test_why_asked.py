"""`why` where another daemon than opendkim signs: the answer is the daemon's own, the reasons are what we told it."""

from dataclasses import replace
from pathlib import Path

import pytest

from dkimctl.config.settings import SIGNERS, Settings, Signing
from dkimctl.errors import Unavailable
from dkimctl.host.world import read_world
from dkimctl.why.answer import Mail, MailOutcome, WhyAnswer
from dkimctl.why.decisions import decide
from tests.conftest import needs
from tests.milters import ACCEPT, TEMPFAIL, milter, rejecting, with_field
from tests.milters import Answer as Milter

pytestmark = needs("postconf")
SIGNATURE = "v=1; a=rsa-sha256; d=Example.com;\n\ts=mail; h=From; bh=; b="


def asked(answer: Milter, mail: Mail, signer: str = "rspamd") -> WhyAnswer:
    """What `why` says of this mail with a milter that answers so."""
    with milter(answer) as place:
        return decide(read_world(Settings(signing=Signing(signer=signer, socket=str(place)))), mail)


@pytest.mark.parametrize("signer", sorted(SIGNERS.keys() - {"opendkim"}))
def test_a_message_that_it_signs(signer: str) -> None:
    """Signed: by which key, and whether that counts for DMARC."""
    answer = asked(with_field("DKIM-Signature", SIGNATURE), Mail("bob@sub.example.com"), signer)
    assert answer.outcome is MailOutcome.SIGNED
    [made] = answer.signatures
    assert (made.domain, made.selector, made.algorithm, made.is_aligned) == ("example.com", "mail", "rsa-sha256", True)
    assert "does not count" in str(asked(with_field("DKIM-Signature", SIGNATURE), Mail("bob@example.net")).steps)


def test_a_message_that_it_does_not_sign() -> None:
    """Not signed: what of our own settings keeps it from that."""
    answer = asked(lambda _: [ACCEPT], Mail("bob@nobody.example", "203.0.113.9", "unknown"), "dkimpy-milter")
    assert answer.outcome is MailOutcome.UNSIGNED
    assert "203.0.113.9 is not among the trusted hosts" in answer.reason
    assert "no key of nobody.example" in answer.reason
    login = Mail("bob@nobody.example", "203.0.113.9", "x", "bob")
    assert "trusted" not in asked(lambda _: [ACCEPT], login, "dkimpy-milter").reason


def test_a_message_that_it_refuses() -> None:
    """Deferred and rejected are outcomes of their own, in the daemon's words."""
    assert asked(lambda _: [TEMPFAIL], Mail("bob@example.com")).outcome is MailOutcome.DEFERRED
    answer = asked(rejecting("550 5.7.1 not today"), Mail("bob@example.com"))
    assert (answer.outcome, "550 5.7.1 not today" in answer.reason) == (MailOutcome.REJECTED, True)


def test_nobody_to_ask(tmp_path: Path) -> None:
    """No daemon, or a tree to which none belongs: not known."""
    settings = Settings(signing=Signing(signer="rspamd", socket=f"local:{tmp_path}/s"))
    with pytest.raises(Unavailable, match="no daemon answers"):
        decide(read_world(settings), Mail("bob@example.com"))
    with pytest.raises(Unavailable, match="where it runs"):
        decide(read_world(replace(settings, root=tmp_path)), Mail("bob@example.com"))
