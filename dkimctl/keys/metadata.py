"""The metadata of a key, `<selector>.json`: schema 1."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache, lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple

from dkimctl.clock import timestamp
from dkimctl.errors import CheckFailed
from dkimctl.keys.public import PublicKey

SCHEMA = 1
_SCHEMA_OF_SLOTS = 2
"""Of a later key in a slot: version 0.1 would take the file's name for its selector, and refuses this one instead."""


NO_FACTS: Mapping[str, object] = MappingProxyType({})


class Phase(StrEnum):
    """The phases of a key's life, in their order."""

    GENERATED = "generated"
    PUBLISHED = "published"
    VERIFIED = "verified"
    ACTIVE = "active"
    RETIRING = "retiring"
    REVOKED = "revoked"
    PURGED = "purged"


UNPROVEN = (Phase.GENERATED, Phase.PUBLISHED)
"""Not every name server has given the key's record."""
IN_USE = (Phase.PUBLISHED, Phase.VERIFIED, Phase.ACTIVE)
"""A key that is not held any more is lost."""
WITHOUT_FILE = (Phase.RETIRING, Phase.REVOKED)
"""A key does without its private key: what is left to do is done to its record."""
RETIRED = (*WITHOUT_FILE, Phase.PURGED)
"""A key signs no more."""
WITHOUT_RECORD = (Phase.REVOKED, Phase.PURGED)
"""No record that verifies a signature belongs in DNS."""


class Change(NamedTuple):
    """A change of phase."""

    phase: Phase
    at: str
    """RFC 3339, UTC."""
    note: str = ""


class Tags(NamedTuple):
    """The tags of the key's record (RFC 6376 §3.6.1), without `v=`, `k=` and `p=`. Empty ones are left out of it."""

    hash_algorithms: str = "sha256"
    """`h=`: colon-separated."""
    service_types: str = ""
    """`s=`."""
    flags: str = ""
    """`t=`: y, s or y:s."""
    note: str = ""
    """`n=`: a note for people, encoded as in the record (quoted-printable)."""


class Metadata(NamedTuple):
    """The metadata of one key. A tuple, because a check of 10,000 keys makes as many."""

    algorithm: str
    bits: int
    created: str
    """RFC 3339, UTC; empty for a key that another program made."""
    tags: Tags = Tags()
    phase: Phase = Phase.GENERATED
    provider: str | None = None
    """The provider at which the record was published."""
    history: tuple[Change, ...] = ()
    path: str = ""
    """The path of an adopted key's private key file in the daemon's configuration; else empty: it is next to these."""
    public: str = ""
    """The public half, as in `p=`; empty where it was not stored."""
    source_digest: str = ""
    """SHA-256, in hex, of the algorithm, the bits, `public` and the private key file from which they were read.

    Comparing the digest takes a tenth of the time that parsing the private key file takes.
    """
    selector: str = ""
    """The selector of a key whose file is not named after it: of a later key in a slot. Else empty."""
    facts: Mapping[str, object] = NO_FACTS
    """What was seen of the key, as JSON: `lifecycle.notes` reads and writes it. Version 0.1 passes over it."""

    def public_of(self, content: bytes) -> PublicKey | None:
        """Return the stored public half, if it was read from a private key file with exactly this content."""
        is_valid = self.public and self._digest(self.public, content) == self.source_digest
        return PublicKey(self.algorithm, self.bits, self.public) if is_valid else None

    def with_public(self, public: PublicKey, content: bytes) -> "Metadata":
        """Return a copy with the public half of a private key file with this content."""
        return self._replace(public=public.base64, source_digest=self._digest(public.base64, content))

    def _digest(self, public: str, content: bytes) -> str:
        properties = f"{self.algorithm} {self.bits} {public}\n".encode("utf-8", "surrogatepass")
        return sha256(properties + content).hexdigest()

    def advanced(self, phase: Phase, now: datetime, note: str = "") -> "Metadata":
        """Return a copy in this phase, with the change in its history."""
        return self._replace(phase=phase, history=(*self.history, Change(phase, timestamp(now), note)))

    def in_phase(self, phase: Phase, now: datetime, note: str = "") -> "Metadata":
        """Return the same where it is in this phase already, else as `advanced`."""
        return self if self.phase is phase else self.advanced(phase, now, note)


_BLANKS = " \t\n\r"  # RFC 8259 §2
_PHASES = {phase.value: phase for phase in Phase}
_tags = lru_cache(Tags)  # most keys have equal tags


def new_metadata(algorithm: str, bits: int, tags: Tags, now: datetime) -> Metadata:
    """Return the metadata of a key made now."""
    at = timestamp(now)
    return Metadata(algorithm, bits, at, tags, history=(Change(Phase.GENERATED, at),))


def to_json(metadata: Metadata) -> bytes:
    """Return the content of the file."""
    import json

    document = {
        "schema": _SCHEMA_OF_SLOTS if metadata.selector else SCHEMA,
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
        **({"selector": metadata.selector} if metadata.selector else {}),
        **({"public": metadata.public, "source_digest": metadata.source_digest} if metadata.public else {}),
        **({"facts": dict(metadata.facts)} if metadata.facts else {}),
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


@cache
def _decoder() -> Callable[[str], tuple[Any, int]]:
    import json  # imported late: keys made by opendkim-genkey have no metadata

    return json.JSONDecoder().raw_decode


def _parsed(content: bytes) -> Any:
    """Return the JSON document in a file: as `json.loads`, which takes a third longer. Raises ValueError."""
    text = content.decode("utf-8", "surrogatepass").strip(_BLANKS)  # bytes: it would guess the encoding
    document, end = _decoder()(text)
    if end != len(text):
        raise ValueError("more than one document")
    return document


def from_json(content: bytes, source: str) -> Metadata:
    """Return the metadata in the content of a file. Raises CheckFailed when it is damaged or of a newer version."""
    try:
        document = _parsed(content)
        if document["schema"] not in (SCHEMA, _SCHEMA_OF_SLOTS):
            raise CheckFailed(
                f"{source} has schema {document['schema']}; this dkimctl knows {SCHEMA} and {_SCHEMA_OF_SLOTS}",
                hint="upgrade dkimctl",
            )
        noted, find = document["tags"], document.get
        tags = (noted["h"], noted["s"], noted["t"], noted["n"])
        history = [Change(_PHASES[c["phase"]], c["at"], c["note"]) for c in document["history"]]
        metadata = Metadata(  # by position: names take a third longer, and there may be a million keys
            document["algorithm"],
            document["bits"],
            document["created"],
            _tags(*tags),
            _PHASES[document["phase"]],
            document["provider"],
            tuple(history),
            find("path", ""),
            str(find("public", "")),
            str(find("source_digest") or find("seal", "")),  # seal: its former name
            find("selector", ""),
            find("facts", NO_FACTS),
        )
        # raises TypeError for what is no text
        "".join(
            [metadata.algorithm, metadata.created, metadata.provider or "", metadata.path, metadata.selector, *tags]
        )
        "".join([change.at + change.note for change in history])
        if type(metadata.bits) is not int or not isinstance(metadata.facts, dict | MappingProxyType):
            raise TypeError("a value of another type")
        return metadata
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        hint = f"restore {source} from a backup, or move it away: the key is then treated as one of another program"
        raise CheckFailed(f"{source} is not the metadata of a key", hint=hint) from error


def domain_notes_from_json(content: bytes, source: str) -> Mapping[str, object]:
    """Return what is noted of a domain as a whole. Raises CheckFailed when it is damaged or of a newer version."""
    import json

    try:
        document = json.loads(content)
        if document.pop("schema") != SCHEMA:
            raise CheckFailed(f"{source} has another schema; this dkimctl knows {SCHEMA}", hint="upgrade dkimctl")
        if not isinstance(document.get("held"), bool | None) or not isinstance(document.get("begun"), str | None):
            raise TypeError("a value of another type")
        return dict(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckFailed(f"{source} is damaged", hint=f"restore it from a backup, or remove it: {source}") from error


def domain_notes_to_json(notes: Mapping[str, object]) -> bytes:
    """Return the content of the file with what is noted of a domain as a whole."""
    import json

    return json.dumps({"schema": SCHEMA, **notes}, indent=2).encode() + b"\n"
