"""What is remembered about a key beside it: `<selector>.json`, schema 1."""

from binascii import a2b_base64
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from dkimctl.clock import timestamp
from dkimctl.errors import CheckFailed
from dkimctl.keys.public import PublicKey

SCHEMA = 1


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


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of the key record that the key was made for (RFC 6376 §3.6.1). Empty ones are left out of the record."""

    hash_algorithms: str = "sha256"
    """`h=`: colon-separated."""
    service_types: str = ""
    """`s=`."""
    flags: str = ""
    """`t=`: y, s or y:s."""
    note: str = ""
    """`n=`: for people, as it stands in the record (quoted-printable)."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """All that is remembered about one key."""

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
    public: str = field(default="", repr=False)
    """The public half as it stands in `p=`; empty where it is not noted."""
    seal: str = field(default="", repr=False)
    """SHA-256, in hex, of the algorithm, the bits, `public` and the private key file that they were read from.

    To read them from the file takes ten times as long as to make sure that all are as they were then.
    """

    def public_of(self, content: bytes) -> PublicKey | None:
        """The public half of a private key file with this content, if exactly that was noted."""
        if not self.public or self._sealed(self.public, content) != self.seal:
            return None
        try:
            return PublicKey(self.algorithm, self.bits, a2b_base64(self.public, strict_mode=True))
        except ValueError:
            return None

    def of(self, public: PublicKey, content: bytes) -> "Metadata":
        """The same with the public half of a private key file with this content noted."""
        return replace(self, public=public.base64, seal=self._sealed(public.base64, content))

    def _sealed(self, public: str, content: bytes) -> str:
        noted = f"{self.algorithm} {self.bits} {public}\n".encode("utf-8", "surrogatepass")
        return sha256(noted + content).hexdigest()

    def advanced(self, phase: Phase, now: datetime, note: str = "") -> "Metadata":
        """The same with the next phase, noted in the history."""
        return replace(self, phase=phase, history=(*self.history, Change(phase, timestamp(now), note)))


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


END = b"\n}\n"
"""How the file ends."""


_STAMP_END, _STAMP_SIZE = b'Z"', len("2026-11-23T10:04:02")
_IN_A_STAMP = "0123456789-T:Z"
_MOST_MODELS = 1000
_models: dict[tuple[bytes, ...], Metadata] = {}
"""What was read from files in our form, by all that is not a time, a key or a seal: the same in most files."""
_PUBLIC, _SEAL, _SEAL_SIZE = b',\n  "public": "', b'",\n  "seal": "', 64
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


def from_json(content: bytes, source: str) -> Metadata:
    """The metadata in a file's content. Raises CheckFailed when it is damaged or from a newer version."""
    before, found, after = content.partition(_PUBLIC)
    public, _, after = after.partition(_SEAL)
    seal = after[:_SEAL_SIZE]
    *pieces, end = before.split(_STAMP_END)
    shape = (*[piece[:-_STAMP_SIZE] for piece in pieces], end, found, after[_SEAL_SIZE:])
    stamps = [piece[-_STAMP_SIZE:].decode("latin-1") + "Z" for piece in pieces]
    model = _models.get(shape)
    is_plain = not "".join(stamps).strip(_IN_A_STAMP) and not (public + seal).translate(None, _BASE64)
    if model is not None and is_plain:
        return _filled(model, stamps, public.decode("ascii"), seal.decode("ascii"))
    metadata = _from_any_json(content, source)
    times = [metadata.created, *(change.at for change in metadata.history)]
    key = [public.decode("latin-1"), seal.decode("latin-1")]
    is_whole = [*times, metadata.public, metadata.seal] == [*stamps, *key]
    if len(_models) < _MOST_MODELS and is_plain and is_whole and content == to_json(metadata):
        _models[shape] = metadata
    return metadata


def _filled(model: Metadata, stamps: list[str], public: str, seal: str) -> Metadata:
    """The same with other times, of its making and of each change, and another key."""
    created, *ats = stamps
    history = tuple([Change(change.phase, at, change.note) for change, at in zip(model.history, ats, strict=True)])
    same = (model.tags, model.phase, model.provider, history, model.path)
    return Metadata(model.algorithm, model.bits, created, *same, public, seal)


def _from_any_json(content: bytes, source: str) -> Metadata:
    """The metadata in a file's content. Raises CheckFailed when it is damaged or from a newer version."""
    import json  # the flat layout of opendkim-genkey has no metadata

    hint = f"restore {source} from a backup, or move it away: the key is then treated as one made elsewhere"
    try:
        document = json.loads(content)
        if document["schema"] != SCHEMA:
            raise CheckFailed(
                f"{source} has schema {document['schema']}; this dkimctl knows {SCHEMA}",
                hint="upgrade dkimctl",
            )
        tags = document["tags"]
        return Metadata(
            algorithm=document["algorithm"],
            bits=document["bits"],
            created=document["created"],
            tags=Tags(tags["h"], tags["s"], tags["t"], tags["n"]),
            phase=Phase(document["phase"]),
            provider=document["provider"],
            history=tuple(Change(Phase(c["phase"]), c["at"], c["note"]) for c in document["history"]),
            path=document.get("path", ""),
            public=str(document.get("public", "")),
            seal=str(document.get("seal", "")),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CheckFailed(f"{source} is not the metadata of a key", hint=hint) from error
