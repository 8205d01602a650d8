"""The registered domain of a name as rspamd finds it: by the public suffix list, read in rspamd's own way.

Compared with `rspamd_util.get_tld` of rspamd 3.4 and 3.12. It passes over exceptions (`!www.ck`), leaves a name whole
that no suffix of the list ends, where the list itself has a rule for every other top-level domain, and knows a suffix
with non-ASCII letters only as its list spells it: as `xn--…` in Debian 12, in Unicode in Debian 13.
"""

from collections.abc import Mapping

SUFFIX_LIST = "/usr/share/rspamd/effective_tld_names.dat"
"""The list that comes with rspamd, where `url_tld` in its options names no other."""


def suffixes_in(text: str) -> Mapping[str, int]:
    """Return each suffix of a list with the number of labels that belong before it: two for `*.ck`, else one."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        rule = line.strip().lower()
        if rule and not rule.startswith(("//", "!")):
            suffix, labels = rule.removeprefix("*."), 2 if rule.startswith("*.") else 1
            found[suffix] = max(labels, found.get(suffix, 0))
    return found


def registered_domain(domain: str, suffixes: Mapping[str, int]) -> str:
    """Return the part of a domain that one registers: the longest of those that its suffixes give, or all of it."""
    labels = domain.split(".")
    ends = {at: ".".join(labels[at:]) for at in range(1, len(labels))}
    starts = (max(at - suffixes[end], 0) for at, end in ends.items() if end in suffixes)
    return ".".join(labels[min(starts, default=0) :])
