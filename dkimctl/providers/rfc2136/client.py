"""The adapter to dnspython for updates: one signed message over TCP, one signed answer. Converts its exceptions."""

import socket
import time
from contextlib import closing
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING

from dkimctl.errors import reason
from dkimctl.names import is_within
from dkimctl.providers.limit import RateLimit
from dkimctl.providers.rfc2136 import refusals
from dkimctl.providers.rfc2136.key import TsigKey
from dkimctl.providers.rfc2136.refusals import Asked, Kind, UpdateError

if TYPE_CHECKING:
    import dns.message
    import dns.rdataset
    import dns.update

TIMEOUT = 5.0  # seconds to connect, and for the whole answer


class UpdateClient:
    """A client for one server and its TSIG key."""

    def __init__(self, address: tuple[str, int], key: TsigKey, limit: RateLimit, timeout: float = TIMEOUT) -> None:
        host, port = address
        self._limit = limit
        self.server = host if port == 53 else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._address = address
        self._key = key
        self._timeout = timeout

    def soa_owner(self, name: str) -> str:
        """Return the zone of this server that contains `name`. Raises UpdateError when it is authoritative for none."""
        import dns.flags
        import dns.rdatatype

        answer = self._ask(name, "SOA")
        owners = [
            rrset.name.to_text(omit_final_dot=True).lower()
            for rrset in (*answer.answer, *answer.authority)
            if rrset.rdtype == dns.rdatatype.SOA
        ]
        zone = next((owner for owner in owners if is_within(name, owner)), None)
        if zone is None or not answer.flags & dns.flags.AA:
            raise refusals.refused(Asked(self.server, self._key.name, "", name), "NOTAUTH")
        return zone

    def name_servers(self, zone: str) -> tuple[str, ...]:
        """Return the host names in the zone's NS records."""
        sets = self._answers(zone, "NS")
        return tuple(rdata.target.to_text(omit_final_dot=True).lower() for found in sets for rdata in found)

    def records(self, zone: str, name: str) -> "list[dns.rdataset.Rdataset]":
        """Return the TXT and CNAME record sets at exactly this name, without those of a wildcard (RFC 4592)."""
        sets = self._answers(name, "TXT", zone)
        if sets and self._answers(f"dkimctl-{token_hex(4)}.{name.partition('.')[2]}", "TXT"):
            return [found for found in sets if self._exists(zone, name, found)]
        return sets

    def _answers(self, name: str, kind: str, zone: str = "") -> "list[dns.rdataset.Rdataset]":
        """Return the record sets of this type, or the CNAME, that the server answers for this name.

        Raises UpdateError where another zone, below `zone`, or a DNAME answers: an update of `zone` would not be seen.
        """
        import dns.flags
        import dns.name
        import dns.rdatatype

        answer = self._ask(name, kind)
        if not answer.flags & dns.flags.AA:
            raise refusals.refused(Asked(self.server, self._key.name, "", name), "NOTAUTH")
        if zone:
            self._refuse_hidden(answer, zone, name)
        owner = dns.name.from_text(name)
        kinds = (dns.rdatatype.from_text(kind), dns.rdatatype.CNAME)
        return [rrset.to_rdataset() for rrset in answer.answer if rrset.name == owner and rrset.rdtype in kinds]

    def _refuse_hidden(self, answer: "dns.message.Message", zone: str, name: str) -> None:
        import dns.rdatatype

        apexes = (dns.rdatatype.SOA, dns.rdatatype.NS)
        for rrset in (*answer.answer, *answer.authority):
            owner = rrset.name.to_text(omit_final_dot=True).lower()
            if rrset.rdtype in apexes and is_within(name, owner) and owner.endswith(f".{zone}"):
                raise refusals.below_cut(self.server, zone, owner, name)
            if rrset.rdtype == dns.rdatatype.DNAME and is_within(name, owner) and owner != name:
                raise refusals.below_dname(self.server, owner, rrset[0].target.to_text(omit_final_dot=True), name)

    def _exists(self, zone: str, name: str, found: "dns.rdataset.Rdataset") -> bool:
        """Check that the zone has this set, with an update that requires it and changes nothing (RFC 2136 §3.2)."""
        import dns.name
        import dns.update

        message = dns.update.UpdateMessage(zone)
        message.present(dns.name.from_text(name), found.rdtype)
        try:
            self.update(message, zone, name)
        except UpdateError as error:
            if error.kind is Kind.CHANGED:
                return False
            if error.kind is Kind.LOST:
                raise
        return True

    def update(self, message: "dns.update.UpdateMessage", zone: str, name: str) -> None:
        """Send an update. Raises UpdateError, of kind LOST when it may have been carried out nevertheless."""
        asked = Asked(self.server, self._key.name, zone, name)
        if code := _failure(self._exchange(message, asked)):
            raise refusals.refused(asked, code)

    def _ask(self, name: str, kind: str) -> "dns.message.Message":
        import dns.flags
        import dns.message

        question = dns.message.make_query(name, kind, flags=0)
        asked = Asked(self.server, self._key.name, "", name)
        answer = self._exchange(question, asked)
        code = _failure(answer)
        if code and code != "NXDOMAIN":
            raise refusals.refused(asked, code)
        return answer

    def _exchange(self, message: "dns.message.Message", asked: Asked) -> "dns.message.Message":
        import dns.name
        import dns.tsig

        key = dns.tsig.Key(dns.name.from_text(self._key.name), self._key.secret, self._key.algorithm)
        message.use_tsig(key)
        with self._limit.turn():
            wire = self._transfer(message.to_wire(), asked)
        return _verified(wire, message, key, asked)

    def _transfer(self, wire: bytes, asked: Asked) -> bytes:
        """Send one message and receive one, each with its length before it (RFC 1035 §4.2.2)."""
        deadline = monotonic() + self._timeout
        try:
            with closing(socket.create_connection(self._address, self._timeout)) as connection:
                connection.sendall(len(wire).to_bytes(2, "big") + wire)
                size = int.from_bytes(_read(connection, 2, deadline), "big")
                answer = _read(connection, size, deadline)
        except TimeoutError:
            raise refusals.silent(asked, f"gave no answer within {self._timeout:g} s") from None
        except socket.gaierror:
            raise refusals.nameless(asked) from None
        except ConnectionRefusedError:
            raise refusals.silent(asked, "is not there: nothing listens at that port") from None
        except OSError as error:
            raise refusals.silent(asked, f"cannot be reached: {reason(error)}") from None
        if len(answer) < 12 or len(answer) != size or answer[:2] != wire[:2]:
            raise refusals.silent(asked, "closed the connection without a usable answer")
        return answer


def _read(connection: socket.socket, size: int, deadline: float) -> bytes:
    """Return `size` bytes, or fewer where the connection ends. Raises TimeoutError at the deadline."""
    content = b""
    while len(content) < size:
        left = deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(size - len(content))
        if not piece:
            break
        content += piece
    return content


def _verified(wire: bytes, message: "dns.message.Message", key: "dns.tsig.Key", asked: Asked) -> "dns.message.Message":
    """Parse the answer and verify its signature. Raises UpdateError."""
    import dns.exception
    import dns.message
    import dns.rcode
    import dns.tsig

    code = dns.rcode.to_text(dns.rcode.Rcode(wire[3] & 15))
    try:
        answer = dns.message.from_wire(wire, keyring=key, request_mac=message.mac)
    except dns.tsig.PeerBadKey:
        raise refusals.bad_key(asked) from None
    except (dns.tsig.PeerBadSignature, dns.tsig.BadSignature, dns.tsig.PeerBadTruncation):
        raise refusals.bad_signature(asked) from None
    except dns.tsig.PeerBadTime:
        raise refusals.bad_time(asked, _skew(wire)) from None
    except dns.tsig.BadTime:
        raise refusals.bad_time(asked, None) from None
    except dns.exception.DNSException:
        raise (refusals.unsigned(asked) if code == "NOERROR" else refusals.refused(asked, code)) from None
    if not answer.had_tsig:
        raise refusals.unsigned(asked) if code == "NOERROR" else refusals.refused(asked, code)
    return answer


def _failure(answer: "dns.message.Message") -> str:
    """Return the response code, empty for success."""
    import dns.rcode

    return dns.rcode.to_text(answer.rcode()) if answer.rcode() != dns.rcode.NOERROR else ""


def _skew(wire: bytes) -> int:
    """Return the seconds by which our clock is ahead of the server's time at the end of a BADTIME answer.

    It is in Other Data (RFC 8945 §5.2.3).
    """
    return round(time.time()) - int.from_bytes(wire[-6:], "big")
