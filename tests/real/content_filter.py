"""A content filter, as Postfix knows them: it takes mail over SMTP, adds a line, and hands it back over SMTP.

What amavis and its like do, before the queue (`smtpd_proxy_filter`) or after it (`content_filter`).
"""

import smtplib
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

LINE = b"-- scanned\r\n"


@contextmanager
def content_filter(port: int, back: int) -> Iterator[None]:
    """Take mail at `port` and hand it back at `back`, both on 127.0.0.1."""

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 filter ESMTP")
            sender, recipients = "", list[str]()
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    self._say("354 go on")
                    self._say(_handed_back(back, sender, recipients, self._message() + LINE))
                    recipients = []
                    continue
                if verb == b"MAIL":
                    sender = _address(line)
                elif verb == b"RCPT":
                    recipients.append(_address(line))
                self._say("221 bye" if verb == b"QUIT" else "250 ok")

        def _message(self) -> bytes:
            lines = list[bytes]()
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
            return b"".join(lines)

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", port), Session) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield
        server.shutdown()


def _address(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode()


def _handed_back(port: int, sender: str, recipients: list[str], message: bytes) -> str:
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
            smtp.sendmail(sender, recipients, message)
    except (smtplib.SMTPException, OSError) as error:
        return f"451 {error!r}"[:400]
    return "250 ok"
