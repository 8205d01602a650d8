"""The scenes of the demo in which a message is signed, verified, and changed in transit."""

from collections.abc import Callable
from dataclasses import replace

from dkimctl.cli.demo_stage import DOMAIN, Stage, demand
from dkimctl.dkim.signature import FIELD, sign, verify
from dkimctl.dns.txt import txt_strings
from dkimctl.milter.message import Message, probe_message
from dkimctl.output.demo import Scene
from dkimctl.programs import find_program
from dkimctl.selftest.testmode import sign_in_test_mode


def sign_a_message(stage: Stage) -> Scene:
    """Sign mail from the domain and from below it, and verify it with the key from DNS."""
    lines = [_signer()]
    for sender in (DOMAIN, f"news.{DOMAIN}"):
        message = _signed(stage, sender)
        (signature,) = verify(message.raw, _record_finder(stage))
        demand(signature.valid, f"the signature does not verify: {signature.why}")
        demand(signature.domain == DOMAIN and signature.selector == stage.key.selector, "signed by another key")
        lines.append(f"from {sender}: d={signature.domain} s={signature.selector} a={signature.algorithm} verifies")
    lines.append("verified by dkimpy, with the key record fetched from DNS")
    return Scene("A message signed, and verified with the key from DNS", "", tuple(lines))


def tamper_with_it(stage: Stage) -> Scene:
    """Change the same message in transit."""
    message = _signed(stage, DOMAIN)
    subject = tuple((name, "Pay at once" if name == "Subject" else value) for name, value in message.headers)
    changed = {
        "body changed": message.with_body(message.body + "Please pay to another account.\n"),
        "subject changed": replace(message, headers=subject),
    }
    lines = []
    for what, tampered in changed.items():
        (signature,) = verify(tampered.raw, _record_finder(stage))
        demand(not signature.valid, f"{what}, and it was not noticed")
        lines.append(f"{what}: {signature.why}")
    return Scene("The same message, changed in transit, does not verify", "", tuple(lines))


def _signer() -> str:
    if find_program("opendkim"):
        return "signed by the real opendkim, in its test mode, with the files of step 6"
    return "signed by dkimpy, because opendkim is not installed on this machine"


def _signed(stage: Stage, sender: str) -> Message:
    """Return a message from this domain, signed by opendkim where it is installed."""
    message = probe_message(sender, stage.clock.now())
    if find_program("opendkim"):
        value = sign_in_test_mode(stage.settings.at(stage.settings.paths.opendkim_conf), message)
    else:
        key = stage.key
        value = sign(message.raw, DOMAIN, key.selector, stage.store.load(key))
    return message.with_header(FIELD, value)


def _record_finder(stage: Stage) -> Callable[[str], str | None]:
    def find(owner: str) -> str | None:
        text = txt_strings(owner, stage.settings.lookup)
        return None if text is None else text.decode("latin-1")

    return find
