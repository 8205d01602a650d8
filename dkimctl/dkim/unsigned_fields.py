"""Header fields that a signature does not cover although readers see them (RFC 6376 §5.4.2, §8.15)."""

from collections import Counter
from collections.abc import Sequence

from dkimctl.dkim.canonical import selected
from dkimctl.dkim.mail import Field, Mail
from dkimctl.names import printable

_ONCE = (
    *("from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references"),
    *("mime-version", "content-type", "content-transfer-encoding"),
)
"""Fields that a message has at most once (RFC 5322 §3.6, RFC 2045 §3)."""
_SHOWN = ("from", "reply-to", "to", "cc", "subject", "date")


def unsigned_doubles(mail: Mail, names: Sequence[str]) -> dict[str, str]:
    """Return a description of each field that occurs more often than `names` (`h=`) covers; keys in lower case.

    Verifiers count from the bottom; most programs show the topmost.
    """
    covered = Counter(name.lower() for name in names)
    there: dict[str, list[Field]] = {}
    for field in mail.fields:
        if field.name.lower() in _ONCE:
            there.setdefault(field.name.lower(), []).append(field)
    return {
        name: _words(fields, covered[name])
        for name, fields in there.items()
        if len(fields) > covered[name] and covered[name]
    }


def _words(fields: Sequence[Field], covered: int) -> str:
    first = fields[0]
    shown = printable(first.raw[:1000].partition(b":")[2].decode("utf-8", "replace").strip())
    signed = "the last one is" if covered == 1 else f"the last {covered} are"
    return (
        f"{len(fields)} fields {first.name}, and only {signed} signed: the one in line {first.line} (“{shown}”) is "
        "not, and programs show it (RFC 6376 §8.15)"
    )


def never_signed(mail: Mail, names: Sequence[str]) -> list[str]:
    """Return the names of fields that readers see and that the signature does not cover at all."""
    covered = {name.lower() for name in names}
    there = {field.name.lower(): field.name for field in mail.fields if field.name.lower() in _SHOWN}
    return [name for key, name in there.items() if key not in covered]


def signs_itself(mail: Mail, names: Sequence[str], fields: Sequence[Field | None]) -> tuple[str, ...]:
    """Return a remark where `h=` can be read as naming the signature's own field, which is not in `fields`."""
    if "dkim-signature" not in names or [*selected(mail.fields, names)] == [*fields]:
        return ()
    return (
        "h= names DKIM-Signature, which must not mean this field itself (§3.5): opendkim, dkimpy and Mail::DKIM take "
        "it nevertheless, and find the signature invalid",
    )
