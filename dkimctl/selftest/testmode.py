"""A message signed by the real opendkim in its test mode, which needs no running daemon, no socket and no root."""

from pathlib import Path
from tempfile import TemporaryDirectory

from dkimctl.dkim.signature import FIELD
from dkimctl.errors import CheckFailed
from dkimctl.milter.message import Message
from dkimctl.programs import run_program


def sign_in_test_mode(configuration: Path, message: Message) -> str:
    """The value of the DKIM-Signature that this opendkim makes for the message (`opendkim -x … -t …`).

    Its check of the key's directories is left out, so that keys may lie in a scratch directory. Raises CheckFailed when
    it does not sign, Unavailable when it is not installed.
    """
    with TemporaryDirectory(prefix="dkimctl-") as name:
        wrapper, mail = Path(name) / "opendkim.conf", Path(name) / "message"
        wrapper.write_text(f"Include {configuration}\nRequireSafeKeys no\n")
        mail.write_bytes(message.raw)
        ended = run_program("opendkim", "-v", "-x", str(wrapper), "-t", str(mail))
    _, found, value = ended.out.partition(f"{FIELD}: ")
    if ended.code != 0 or not found:
        raise CheckFailed(
            f"opendkim does not sign mail from {message.sender}: {ended.last_word}",
            hint=f"see what it reads: opendkim -n -x {configuration}",
        )
    return value.strip()
