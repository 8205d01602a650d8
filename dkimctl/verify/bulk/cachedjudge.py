"""A judge with a memory: the tags before an expected key are judged once for each kind of key.

Whether an expected key is known to be bad is asked for each key, where it is asked at all: up to some hundred names.
In a long list nobody asks, since that takes longer than all the rest; `doctor` finds such keys, on the host that has
them.
"""

from dkimctl.keys.knownbad import weakness
from dkimctl.keys.public import PublicKey
from dkimctl.record.model import KeyRecord
from dkimctl.verify.judge import Judgement, Weakness, judge
from dkimctl.verify.report import Target

_Kind = tuple[str, str, int, bool]
"""The tags before the key; algorithm and bits of the key; whether mail of sub-domains is signed with it."""
_MOST_REMEMBERED = 4096  # a list may have a note of its own in every record


class CachedJudge:
    """Judges as `judge` does, ten times faster for right records.

    A record is its tags up to `p=` and then the key. Whether those tags are right before a key of some kind and size
    is judged once; from then on the same tags before an expected key of that kind are right too.
    """

    def __init__(self, weak: Weakness = weakness) -> None:
        """`weak`: why others can sign with a key; `not_looked_for` for a long list."""
        self._weak = weak
        self._right: dict[_Kind, tuple[tuple[str, str], ...]] = {}
        self._usable: dict[tuple[str, bool], Judgement] = {}

    def __call__(self, text: str, target: Target) -> Judgement:
        """Return the judgement of a record from its text and the expected key."""
        expected = target.expected
        if expected is None:
            return self._usable.get((text, target.subdomains)) or judge(text, target, self._weak)
        if not text.endswith(expected.base64) or self._weak(expected):
            return judge(text, target, self._weak)
        kind = (text[: -len(expected.base64)], expected.algorithm, expected.bits, target.subdomains)
        tags = self._right.get(kind)
        if tags is not None:
            return Judgement(KeyRecord((*tags, ("p", expected.base64))), expected, (), None)
        return self._learned(text, target, kind)

    def key_of(self, text: str, target: Target) -> PublicKey | None:
        """Return the key of a record without findings; None when there is a finding, or no key."""
        expected = target.expected
        if expected is None:
            return self._usable_key(text, target)
        key = expected.base64
        if not text.endswith(key) or self._weak(expected):
            return None
        kind = (text[: -len(key)], expected.algorithm, expected.bits, target.subdomains)
        if kind not in self._right:
            self._learned(text, target, kind)
        return expected if kind in self._right else None

    def _usable_key(self, text: str, target: Target) -> PublicKey | None:
        known = self._usable.get((text, target.subdomains))
        if known is None:
            known = judge(text, target, self._weak)
            if known.record is None or known.findings:
                return None
            if len(self._usable) < _MOST_REMEMBERED:
                self._usable[text, target.subdomains] = known
        return known.key

    def _learned(self, text: str, target: Target, kind: _Kind) -> Judgement:
        expected = target.expected
        assert expected is not None
        judgement = judge(text, target, self._weak)
        if len(self._right) < _MOST_REMEMBERED and _is_plain(judgement, expected):
            assert judgement.record is not None
            self._right[kind] = judgement.record.tags[:-1]
        return judgement


def _is_plain(judgement: Judgement, expected: PublicKey) -> bool:
    """True when nothing was noticed and the record ends with exactly the key."""
    record = judgement.record
    return record is not None and not judgement.findings and record.tags[-1] == ("p", expected.base64)
