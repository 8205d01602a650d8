"""Compare the rules of consumer keys: the granted ones, the needed ones, and the difference."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dkimctl.providers.ovh.rights import RULES


@dataclass(frozen=True, slots=True)
class Rule:
    """A right: an HTTP method, and a path in which `*` matches anything, slashes included."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def covers(self, other: "Rule") -> bool:
        """Return whether it grants everything that `other` grants."""
        pattern = ".*".join(re.escape(part) for part in self.path.split("*"))
        return self.method == other.method and re.fullmatch(pattern, other.path) is not None


def rules_for(zones: Iterable[str]) -> tuple[Rule, ...]:
    """Return exactly the rules that dkimctl needs for these zones."""
    return tuple(Rule(method, path.format(zone=zone)) for zone in zones for method, path in RULES)


def uncovered(wanted: Iterable[Rule], granted: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the wanted rules that no granted rule covers."""
    return tuple(rule for rule in wanted if not any(own.covers(rule) for own in granted))


def zones_of(rules: Iterable[Rule]) -> tuple[str, ...]:
    """Return the zones named in rules, sorted."""
    found = (re.match(r"/domain/zone/([^/*]+)(?:/|$)", rule.path) for rule in rules)
    return tuple(sorted({match[1] for match in found if match}))


def excess(granted: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the granted rules that dkimctl does not need on the zones that they name."""
    return uncovered(granted, rules_for(zones_of(granted)))
