"""The judge of a host tree: the real opendkim, and where asked for the real Postfix, say whether mail is signed.

Run by `tests.judging` in namespaces of its own (mounts, processes, network) where the tree's files are the machine's.
Reads a request, prints what became of each mail.
"""

import encodings.idna  # noqa: F401  # before this process becomes a user who may not look where Python lies
import json
import os
import pwd
import shlex
import smtplib
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dkimctl.errors import Unavailable
from dkimctl.milter.client import Client, greet, offer
from dkimctl.milter.message import Message, probe_message
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.postfix.milters import milter_socket, split_milters
from dkimctl.selftest.sink import Sink
from tests.real.content_filter import content_filter

UNITS = ("/etc/systemd/system/opendkim.service.d/override.conf", "/lib/systemd/system/opendkim.service")
NOW = datetime(2026, 11, 23, 10, 4, 2, tzinfo=UTC)
Verdict = dict[str, Any]


def command_line(root: Path) -> list[str]:
    """The last ExecStart= of the unit with its drop-in: `root` still has the unit, which is below /lib."""
    for place in UNITS:
        with suppress(FileNotFoundError):
            lines = (root / place.lstrip("/")).read_text().splitlines()
            started = [line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")]
            if started and started[-1]:
                return shlex.split(started[-1])
    return ["/usr/sbin/opendkim"]


def start(command: list[str]) -> str:
    """Start the daemon as its unit does; what it says when it does not."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    return "" if ended.returncode == 0 else f"exit {ended.returncode}: {ended.stderr}"


def sockets(setting: str) -> list[MilterSocket]:
    """Where Postfix asks."""
    value = subprocess.run(["postconf", "-xh", setting], capture_output=True, text=True, check=True).stdout
    found = (milter_socket(milter, "/var/spool/postfix") for milter in split_milters(value.strip()))
    return [socket for socket in found if socket is not None]


def listening(places: list[MilterSocket], seconds: float = 5) -> MilterSocket | None:
    """The first at which a daemon answers."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for place in places:
            with suppress(Unavailable):
                greet(place)
                return place
        time.sleep(0.05)
    return None


def by_milter(socket: MilterSocket, sender: str, client: list[str]) -> Verdict:
    """Show the daemon a mail."""
    user, _, domain = sender.partition("@")
    message = probe_message(domain, NOW, user=user)
    try:
        reply = offer(socket, message, client=Client(*client), job="JUDGE")
    except Unavailable as error:
        return {"verdict": error.message, "mail": ""}
    return {"verdict": reply.verdict.value, "mail": signed(message, reply.signatures).decode("latin-1")}


def signed(message: Message, signatures: tuple[str, ...]) -> bytes:
    """The message with the fields that the daemon adds."""
    for signature in signatures:
        message = message.with_header("DKIM-Signature", signature)
    return message.raw


def by_postfix(sink: Sink, port: int, sender: str, source: str) -> Verdict:
    """Send a mail through Postfix from this address, to the same: over SMTP, with port 0 by sendmail(1)."""
    mark = f"mark-{port}-{sender}"
    text = (
        f"From: {sender}\nTo: someone@example.org\nSubject: {mark}\nDate: {NOW:%a, %d %b %Y %H:%M:%S +0000}\n\nHello.\n"
    )
    try:
        if port:
            with smtplib.SMTP(source, port, timeout=30, source_address=(source, 0)) as smtp:
                smtp.sendmail(sender, ["someone@example.org"], text)
        else:
            command = ["sendmail", "-f", sender, "someone@example.org"]
            subprocess.run(command, input=text, text=True, check=True, capture_output=True, timeout=30)
    except (smtplib.SMTPException, OSError, subprocess.SubprocessError) as error:
        return {"verdict": f"{type(error).__name__} {error}", "mail": ""}
    arrived = sink.wait_for(mark, 12)
    return {"verdict": f"{len(arrived)} arrived", "mail": arrived[0].decode("latin-1") if arrived else ""}


def postfix(sink: Sink, ports: list[int], sender: str, source: str) -> dict[str, Verdict]:
    """What Postfix makes of a mail at each port; it relays to the domain of the recipient for everybody."""
    settings = ("alias_maps =", "alias_database =", "smtp_tls_security_level = none")
    settings += ("relay_domains = example.org", "relay_transport = smtp")
    subprocess.run(["postconf", "-e", f"relayhost = [127.0.0.1]:{sink.port}", *settings], check=True)
    os.utime("/etc/postfix/main.cf", (0, 0))
    subprocess.run(["postfix", "start"], capture_output=True, check=True, timeout=30)
    for port in filter(None, ports):
        for _ in range(200):
            with suppress(OSError, smtplib.SMTPException), smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
                smtp.noop()
                break
            time.sleep(0.05)
    return {str(port) if port else "sendmail": by_postfix(sink, port, sender, source) for port in ports}


FILTERS = {10024: 10025, 10034: 10026}
"""The ports of content filters in the cases, and where each hands the mail back."""


def start_filters(stack: ExitStack) -> None:
    """Start what master.cf and main.cf send mail to."""
    settings = "".join(Path(f"/etc/postfix/{name}.cf").read_text() for name in ("main", "master"))
    for port, back in FILTERS.items():
        if f":{port}" in settings:
            stack.enter_context(content_filter(port, back))


def main(root: Path) -> None:
    """Judge what the request asks for."""
    asked = json.load(sys.stdin)
    failed = start(command_line(root))
    answer: Verdict = {"failed": failed, "milter": {}, "postfix": {}}
    places = sockets("smtpd_milters") or sockets("non_smtpd_milters")
    account = pwd.getpwnam("postfix")
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)  # who connects: the modes of the socket and its directory count
    place = None if failed else listening(places)
    if place:
        answer["milter"] = {s: by_milter(place, s, asked["client"]) for s in asked["senders"]}
    os.seteuid(0)
    os.setegid(0)
    answer["has_pid_file"] = Path("/run/opendkim/opendkim.pid").exists()
    if asked["ports"] and not failed:
        with Sink() as sink, ExitStack() as stack:
            start_filters(stack)
            answer["postfix"] = postfix(sink, asked["ports"], asked["senders"][0], asked["source"])
    json.dump(answer, sys.stdout)


main(Path(sys.argv[1]))
