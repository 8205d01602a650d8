"""What is remembered about a key beside it: `<selector>.json`, schema 1."""

from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from dkimctl.clock import timestamp
from dkimctl.errors import CheckFailed
from dkimctl.keys.public import PublicKey

SCHEMA = 1
END = b"\n}\n"
"""How the file ends."""


class Phase(StrEnum):
    """Where a key stands in its life, in order."""

    GENERATED = "generated"
    PUBLISHED = "published"
    VERIFIED = "verified"
    ACTIVE = "active"
    RETIRING = "retiring"
    REVOKED = "revoked"
    PURGED = "purged"


class Change(NamedTuple):
    """One step of the history."""

    phase: Phase
    at: str
    """RFC 3339, UTC."""
    note: str = ""


class Tags(NamedTuple):
    """The tags of the key record that the key was made for (RFC 6376 §3.6.1). Empty ones are left out of the record."""

    hash_algorithms: str = "sha256"
    """`h=`: colon-separated."""
    service_types: str = ""
    """`s=`."""
    flags: str = ""
    """`t=`: y, s or y:s."""
    note: str = ""
    """`n=`: for people, as it stands in the record (quoted-printable)."""


class Metadata(NamedTuple):
    """All that is remembered about one key. A tuple, since a check of 10,000 keys makes as many."""

    algorithm: str
    bits: int
    created: str
    """RFC 3339, UTC; empty for a key that was made elsewhere."""
    tags: Tags = Tags()
    phase: Phase = Phase.GENERATED
    provider: str | None = None
    """Where the record was published."""
    history: tuple[Change, ...] = ()
    path: str = ""
    """Where the daemon finds the private key, for a key that was taken over where it lay; else it is beside."""
    public: str = ""
    """The public half as it stands in `p=`; empty where it is not noted."""
    seal: str = ""
    """SHA-256, in hex, of the algorithm, the bits, `public` and the private key file that they were read from.

    To read them from the file takes ten times as long as to make sure that all are as they were then.
    """

    def public_of(self, content: bytes) -> PublicKey | None:
        """The public half of a private key file with this content, if exactly that was noted."""
        is_noted = self.public and self._sealed(self.public, content) == self.seal
        return PublicKey(self.algorithm, self.bits, self.public) if is_noted else None

    def of(self, public: PublicKey, content: bytes) -> "Metadata":
        """The same with the public half of a private key file with this content noted."""
        return self._replace(public=public.base64, seal=self._sealed(public.base64, content))

    def _sealed(self, public: str, content: bytes) -> str:
        noted = f"{self.algorithm} {self.bits} {public}\n".encode("utf-8", "surrogatepass")
        return sha256(noted + content).hexdigest()

    def advanced(self, phase: Phase, now: datetime, note: str = "") -> "Metadata":
        """The same with the next phase, noted in the history."""
        return self._replace(phase=phase, history=(*self.history, Change(phase, timestamp(now), note)))


_PHASES = {phase.value: phase for phase in Phase}
_tags = lru_cache(Tags)  # most keys have the same


def new_metadata(algorithm: str, bits: int, tags: Tags, now: datetime) -> Metadata:
    """The metadata of a key made at this moment."""
    at = timestamp(now)
    return Metadata(algorithm, bits, at, tags, history=(Change(Phase.GENERATED, at),))


def to_json(metadata: Metadata) -> bytes:
    """The file's content."""
    import json

    document = {
        "schema": SCHEMA,
        "algorithm": metadata.algorithm,
        "bits": metadata.bits,
        "tags": {
            "h": metadata.tags.hash_algorithms,
            "s": metadata.tags.service_types,
            "t": metadata.tags.flags,
            "n": metadata.tags.note,
        },
        "created": metadata.created,
        "phase": metadata.phase.value,
        "provider": metadata.provider,
        "history": [{"phase": c.phase.value, "at": c.at, "note": c.note} for c in metadata.history],
        **({"path": metadata.path} if metadata.path else {}),
        **({"public": metadata.public, "seal": metadata.seal} if metadata.public else {}),
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def from_json(content: bytes, source: str) -> Metadata:
    """The metadata in a file's content. Raises CheckFailed when it is damaged or from a newer version."""
    import json  # the flat layout of opendkim-genkey has no metadata

    hint = f"restore {source} from a backup, or move it away: the key is then treated as one made elsewhere"
    try:
        document = json.loads(content.decode("utf-8", "surrogatepass"))  # of bytes it would guess the encoding first
        if document["schema"] != SCHEMA:
            raise CheckFailed(
                f"{source} has schema {document['schema']}; this dkimctl knows {SCHEMA}",
                hint="upgrade dkimctl",
            )
        tags = [document["tags"][name] for name in "hstn"]
        history = [Change(_PHASES[c["phase"]], c["at"], c["note"]) for c in document["history"]]
        metadata = Metadata(
            algorithm=document["algorithm"],
            bits=document["bits"],
            created=document["created"],
            tags=_tags(*tags),
            phase=_PHASES[document["phase"]],
            provider=document["provider"],
            history=tuple(history),
            path=document.get("path", ""),
            public=str(document.get("public", "")),
            seal=str(document.get("seal", "")),
        )
        # what is no text cannot be joined to others: TypeError
        "".join([metadata.algorithm, metadata.created, metadata.provider or "", metadata.path, *tags])
        "".join([change.at + change.note for change in history])
        if type(metadata.bits) is not int:
            raise TypeError("bits is no number")
        return metadata
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckFailed(f"{source} is not the metadata of a key", hint=hint) from error
