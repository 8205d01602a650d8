"""What one name server said about one name."""

from dataclasses import dataclass, field
from enum import StrEnum

from dkimctl.names import printable


class AnswerState(StrEnum):
    """The kind of a server's answer."""

    TEXT = "text"
    ALIAS = "alias"
    NO_NAME = "no such name"
    NO_TEXT = "no TXT record"
    LAME = "not authoritative"
    SILENT = "no answer"
    NEEDS_TCP = "needs TCP"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """The answer of one address of one server about one name."""

    name: str
    """The name that was asked for: the owner name, or where a CNAME led."""
    server: str
    """The server's host name; for a resolver its address."""
    address: str
    """With the port where it is not 53."""
    state: AnswerState
    texts: tuple[str, ...] = ()
    """Each TXT record with its strings joined; octets above 127 as Latin-1."""
    alias: str = ""
    """The target of a CNAME; a dot for the root."""
    ttl: int | None = None
    """Seconds; at a resolver what is left of it, of an answer that there is nothing too (RFC 2308 §5)."""
    why: str = ""
    """What hindered it, in words."""
    over_tcp: bool = False
    edns: bool = True
    serial: int | None = None
    """The SOA serial at this server, where it was asked."""
    milliseconds: float = 0.0
    dname: str = field(default="", repr=False)
    """The name at which a DNAME made the CNAME (RFC 6672)."""

    @property
    def has_answered(self) -> bool:
        """Return whether it said with authority what is at the name."""
        return self.state in (AnswerState.TEXT, AnswerState.ALIAS, AnswerState.NO_NAME, AnswerState.NO_TEXT)

    @property
    def in_short(self) -> str:
        """The answer in a few words."""
        if self.alias:
            return f"a CNAME to {printable(self.alias)}"
        if len(self.texts) > 1:
            return f"{len(self.texts)} records"
        if self.texts:
            text = self.texts[0]
            return f"{len(text)} octets ending in …{printable(text[-12:])}"
        return printable(self.why, 200) or self.state.value

    @property
    def content(self) -> tuple[str, ...]:
        """The part of the answer that all servers must agree on."""
        return (f"CNAME {self.alias}",) if self.alias else tuple(sorted(self.texts))
