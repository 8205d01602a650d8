"""A message signed by the real opendkim in its test mode, which needs no running daemon, no socket and no root."""

from pathlib import Path

from dkimctl.dkim.signature import FIELD
from dkimctl.errors import CheckFailed, shell_word
from dkimctl.files import scratch_directory, write_file
from dkimctl.milter.message import Message
from dkimctl.programs import run_program


def sign_in_test_mode(configuration: Path, message: Message) -> str:
    """The value of the DKIM-Signature that this opendkim makes for the message (`opendkim -x … -t …`).

    Its check of the key's directories is left out, so that keys may lie in a scratch directory. Raises CheckFailed when
    it does not sign, Unavailable when it is not installed.
    """
    with scratch_directory("test-mode") as place:
        wrapper, mail = place / "opendkim.conf", place / "message"
        write_file(wrapper, f"Include {configuration}\nRequireSafeKeys no\n".encode(), mode=0o600)
        write_file(mail, message.raw, mode=0o600)
        ended = run_program("opendkim", "-v", "-x", str(wrapper), "-t", str(mail))
    _, found, value = ended.out.partition(f"{FIELD}: ")
    if ended.code != 0 or not found:
        raise CheckFailed(
            f"opendkim does not sign mail from {message.sender}: {ended.last_word}",
            hint=f"see what it reads: opendkim -n -x {shell_word(configuration)}",
        )
    return value.strip()
