"""`why` beside the real opendkim: on generated configurations both say the same about every mail.

`DKIMCTL_TEST_CASES` says how many configurations; without it 100, and 300 with `DKIMCTL_TEST_FULL=1`.
"""

import os
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dkimctl.config.settings import Paths, Settings
from dkimctl.errors import Unavailable
from dkimctl.host.world import read_world
from dkimctl.milter.client import Client, MilterVerdict, greet, offer
from dkimctl.milter.message import Message
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.why.answer import Mail, MailOutcome, WhyAnswer
from dkimctl.why.decisions import decide
from tests.conftest import FULL, needs
from tests.doctor_cases import WEAK
from tests.host_tree import key_pair

CASES = int(os.environ.get("DKIMCTL_TEST_CASES", "300" if FULL else "100"))
NOW = datetime(2026, 11, 23, 10, 4, 2, tzinfo=UTC)
DOMAINS = ("domain.tld", "sub.domain.tld", "other.example", "xdomain.tld", "deep.a.sub.domain.tld", "a.tld")
USERS = ("contact", "bob", "Bob", "a.b+c")
CLIENTS = (
    ("127.0.0.1", "localhost"),
    ("::1", "localhost"),
    ("203.0.113.9", "mail.client.example"),
    ("2001:db8::1", "unknown"),
    ("192.0.2.77", "[192.0.2.77]"),
)
HOSTS = (
    *("127.0.0.1", "::1", "127.0.0.0/8", "0.0.0.0/0", "::/0", "203.0.113.0/24", "203.0.113.9/24", "!203.0.113.9"),
    *("2001:db8::/32", "2001:0db8::/32", ".client.example", "mail.client.example", "[192.0.2.77]", "192.0.2.64/26"),
    *("192.0.2.0/255.255.255.0", "localhost", "!localhost", "client.example", "*.client.example"),
)


ON = ("On-NoSignature", "On-Default", "On-InternalError", "On-SignatureError", "On-KeyNotFound")
ACTIONS = ("accept", "reject", "tempfail", "discard", "quarantine")


@dataclass
class Host:
    """A directory that opendkim accepts, with everything for one configuration."""

    place: Path
    random: random.Random

    @property
    def socket(self) -> MilterSocket:
        """Where the daemon listens."""
        return MilterSocket(path=f"{self.place}/s")

    @property
    def settings(self) -> Settings:
        """What dkimctl is told."""
        return Settings(paths=Paths(opendkim_conf=f"{self.place}/opendkim.conf"))

    def generate(self) -> None:
        """Write a configuration: mostly sound, with something broken in every other one."""
        self._keys()
        kinds = {name: self.random.choice(("file", "file", "refile")) for name in ("KeyTable", "SigningTable", "Hosts")}
        self._write("KeyTable", self._key_rows())
        self._write("SigningTable", self._signing_rows(patterns=kinds["SigningTable"] == "refile"))
        self._write("Hosts", self.random.sample(HOSTS, self.random.randint(1, 5)))
        options = {
            "Mode": self.random.choice(("s", "s", "s", "s", "sv", "sv", "v")),
            "MultipleSignatures": self.random.choice(("no", "no", "yes")),
            "RequireSafeKeys": self.random.choice(("yes", "yes", "yes", "no")),
            "SignatureAlgorithm": self.random.choice(("rsa-sha256",) * 4 + ("ed25519-sha256",)),
            "MinimumKeyBits": self.random.choice(("1024", "1024", "2048")),
        }
        lines = [f"{name} {value}" for name, value in options.items()]
        lines += [f"KeyTable {kinds['KeyTable']}:{self.place}/KeyTable"]
        lines += [f"SigningTable {kinds['SigningTable']}:{self.place}/SigningTable"]
        if self.random.random() < 0.8:
            lines.append(f"InternalHosts {kinds['Hosts']}:{self.place}/Hosts")
        if self.random.random() < 0.1:
            lines.append(
                self.random.choice(("PeerList 203.0.113.9", "ExemptDomains other.example", "Foo bar", "UMask 9"))
            )
        if self.random.random() < 0.2:  # what becomes of mail that is not to be signed
            lines.append(f"{self.random.choice(ON)} {self.random.choice(ACTIONS)}")
        if self.random.random() < 0.05:
            lines.append("On-NoSignature accept")
        if self.random.random() < 0.15:  # beside tables the daemon ignores one of these alone
            lines.append(self.random.choice(("Selector lone", f"KeyFile {self.place}/keys/good")))
        lines += ["UserID opendkim", "Syslog no", f"Socket local:{self.place}/s", "UMask 000"]
        self._write("opendkim.conf", lines)

    def _write(self, name: str, lines: list[str]) -> None:
        (self.place / name).write_text("".join(f"{line}\n" for line in lines))

    def _keys(self) -> None:
        """One key of each kind, sound and broken."""
        rsa, ed, small = (key_pair(*kind).private_pem for kind in (("rsa",), ("ed25519",), ("rsa", 1024)))
        directory = self.place / "keys"
        directory.mkdir(exist_ok=True)
        for name, content, mode, owner in (
            ("good", rsa, 0o600, "opendkim"),
            ("ed", ed, 0o600, "opendkim"),
            ("small", small, 0o600, "opendkim"),
            ("weak", WEAK, 0o600, "opendkim"),
            ("open", rsa, 0o644, "opendkim"),
            ("root", rsa, 0o600, "root"),
            ("nobody", rsa, 0o644, "nobody"),
            ("empty", b"", 0o600, "opendkim"),
            ("junk", b"junk\n", 0o600, "opendkim"),
            ("bare", b"".join(rsa.splitlines()[1:-1]), 0o600, "opendkim"),
            ("domain.tld", rsa, 0o600, "opendkim"),
        ):
            (directory / name).write_bytes(content)
            shutil.chown(directory / name, owner)
            (directory / name).chmod(mode)

    def _key_rows(self) -> list[str]:
        keys = f"{self.place}/keys"
        good = [f"k{n} {self.random.choice(DOMAINS)}:sel{n}:{keys}/{name}" for n, name in enumerate(("good", "bare"))]
        odd = [
            f"ked domain.tld:ed:{keys}/ed",
            f"ksmall domain.tld:small:{keys}/small",
            f"kweak domain.tld:weak:{keys}/weak",
            f"kopen domain.tld:open:{keys}/open",
            f"kroot domain.tld:root:{keys}/root",
            f"knobody domain.tld:nobody:{keys}/nobody",
            f"kempty domain.tld:empty:{keys}/empty",
            f"kjunk domain.tld:junk:{keys}/junk",
            f"kmissing domain.tld:missing:{keys}/missing",
            f"kdirectory domain.tld:directory:{keys}",
            "krelative domain.tld:relative:keys/good",
            "kcorrupt domain.tld:corrupt",
            "kname",
            f"kall %:all:{keys}/%",
            f"KCASE domain.tld:case:{keys}/good",
            f"k0 domain.tld:again:{keys}/good",
            f"domain.tld domain.tld:own:{keys}/good",
        ]
        rows = [*good, *self.random.sample(odd, self.random.randint(0, 10))]
        self.random.shuffle(rows)
        return rows

    def _signing_rows(self, *, patterns: bool) -> list[str]:
        names = ("k0", "k1", "ked", "ksmall", "kweak", "kopen", "kroot", "knobody", "kempty", "kjunk", "kmissing")
        names += (
            "kdirectory",
            "krelative",
            "kcorrupt",
            "kname",
            "kall",
            "kcase",
            "KCASE",
            "dangling",
            "%",
            "k0",
            "k1",
            "k0",
            "k1",
            "KCASE:bob@domain.tld",
            "k0:%",
            "k9:x@y",
        )
        rows = []
        for _ in range(self.random.randint(1, 6)):
            domain, user = self.random.choice(DOMAINS), self.random.choice(USERS)
            shapes = (f"*@{domain}", f"*@*.{domain}", f"*{domain}", f"{user}@{domain}", "*", f"{user}@*", "*@*")
            if not patterns or self.random.random() < 0.1:
                shapes = (
                    domain,
                    f".{domain}",
                    f"{user}@{domain}",
                    f"{user}@.{domain}",
                    "*",
                    f"{user}@*",
                    f"*@{domain}",
                )
            if self.random.random() < 0.1:  # rows that fit nothing, or not what was meant
                shapes = (f"@{domain}", f"*@{domain}.", f"*@{domain},*@a.tld", f"*.{domain}", f".*@{domain}")
            rows.append(f"{self.random.choice(shapes)} {self.random.choice(names)}")
        if self.random.random() < 0.15:
            rows.insert(0, f"{'*@' if patterns else ''}other.example")
        if patterns and self.random.random() < 0.1:
            rows[0] = " " + rows[0]
        return rows

    def mails(self) -> Iterator[Mail]:
        """A few mails from everywhere."""
        for _ in range(8):
            address, name = self.random.choice(CLIENTS)
            sender = f"{self.random.choice(USERS)}@{self.random.choice(DOMAINS)}"
            yield Mail(sender, address, name, self.random.choice(("", "bob", "bob")))


@pytest.fixture
def safe_directory() -> Iterator[Path]:
    """A directory of which every part belongs to root: nothing below /tmp would do."""
    place = Path(tempfile.mkdtemp(prefix="dkimctl-test-", dir="/var/lib"))
    place.chmod(0o755)
    shutil.chown(place, "opendkim", "opendkim")
    yield place
    shutil.rmtree(place)


class Daemon:
    """The real opendkim with one configuration; started again when it crashed."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> bool:
        """Return whether it listens."""
        self.stop()
        with suppress(FileNotFoundError):
            (self.host.place / "s").unlink()
        self.process = subprocess.Popen(
            ["opendkim", "-f", "-x", f"{self.host.place}/opendkim.conf"], stderr=subprocess.DEVNULL
        )
        while self.process.poll() is None:
            with suppress(Unavailable):
                greet(self.host.socket)
                return True
            time.sleep(0.01)
        return False

    def stop(self) -> None:
        """End it at once."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def ask(self, mail: Mail) -> tuple[MailOutcome, tuple[tuple[str, str], ...]]:
        """What it does with a mail: the outcome, and d= and s= of what it added."""
        message = Message(mail.sender, (("From", mail.sender), ("To", "x@example.invalid"), ("Subject", "x")), "body\n")
        client = Client(mail.client, mail.name, mail.login)
        try:
            reply = offer(self.host.socket, message, client=client, job="WHY")
        except Unavailable:
            assert self.process and self.process.wait(10) < 0
            return MailOutcome.CRASH, ()
        signatures = tuple(_tags(value) for name, value in reply.added if name == "DKIM-Signature")
        if reply.verdict is MilterVerdict.TEMPFAIL:
            return MailOutcome.DEFERRED, ()
        if reply.verdict in (MilterVerdict.REJECT, MilterVerdict.DISCARD):
            return MailOutcome.REJECTED, ()
        return (MailOutcome.SIGNED if signatures else MailOutcome.UNSIGNED), signatures


def _tags(value: str) -> tuple[str, str]:
    tags = dict(
        part.strip().split("=", 1) for part in value.replace("\n", "").replace("\t", "").split(";") if "=" in part
    )
    return tags["d"], tags["s"]


def _expected(answer: WhyAnswer) -> tuple[MailOutcome, tuple[tuple[str, str], ...]]:
    # the daemon puts each new field above the others
    return answer.outcome, tuple((s.domain, s.selector) for s in reversed(answer.signatures))


@pytest.mark.long
@needs("opendkim", root=True)
def test_why_agrees_with_the_daemon(safe_directory: Path, record_property: Callable[[str, object], None]) -> None:
    """Outcome, d= and s= are the daemon's own, for every mail in every configuration."""
    counts: Counter[str] = Counter()
    wrong = []
    seed = random.randrange(1 << 32)
    for case in range(CASES):
        host = Host(safe_directory, random.Random(seed + case))
        host.generate()
        daemon = Daemon(host)
        runs = daemon.start()
        try:
            world = read_world(host.settings)
            for mail in host.mails():
                answer = decide(world, mail)
                if runs and daemon.process and daemon.process.poll() is not None:
                    runs = daemon.start()
                seen = daemon.ask(mail) if runs else (MailOutcome.NOT_STARTED, ())
                counts[seen[0].value] += 1
                if sorted(_expected(answer)[1]) != sorted(seen[1]) or _expected(answer)[0] != seen[0]:
                    wrong.append((seed + case, mail, seen, answer.outcome, answer.reason, answer.signatures))
        finally:
            daemon.stop()
    total = sum(counts.values())
    record_property("counted: generated configurations in which why was asked, and opendkim", CASES)
    record_property("counted: mails on which why and opendkim agree", total - len(wrong))
    record_property("counted: mails on which why and opendkim do not agree", len(wrong))
    assert wrong == [], "\n".join(map(str, wrong))
