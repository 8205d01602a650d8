"""Parse switches and faults of the command line."""

import math
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin, get_type_hints

from dkimctl.errors import UsageError
from dkimctl.sandbox.faultkinds import FAULT_KINDS, FaultKind
from dkimctl.sandbox.switches import Switches

if TYPE_CHECKING:
    from dkimctl.sandbox.faults import Fault

SIGNED = ("clock-skew",)
"""Switches whose numbers may be negative."""

TIMED = ("429", "slow-body")
"""Faults that take a time."""


def switch_table() -> list[tuple[str, str]]:
    """Return each switch with its values (`void=null|204|empty`, the default first), and its meaning."""
    types = get_type_hints(Switches)
    return [
        (_spelling(switch.name) + _values(types[switch.name], switch.default), switch.metadata["meaning"])
        for switch in fields(Switches)
    ]


def parse_switches(texts: Iterable[str]) -> Switches:
    """Parse switches from `NAME=VALUE`, or `NAME` for one that is on or off. Raises UsageError."""
    types = {_spelling(name): (name, kind) for name, kind in get_type_hints(Switches).items()}
    chosen: dict[str, Any] = {}
    for text in texts:
        spelled, _, value = text.partition("=")
        if spelled not in types:
            raise UsageError(f"no such switch: {spelled}", hint=_nearest(spelled, list(types)))
        name, kind = types[spelled]
        chosen[name] = _value(spelled, kind, value if "=" in text else None)
    return Switches(**chosen)


def parse_fault(text: str) -> "Fault":
    """Parse a fault from `KIND@N` (the N-th call) or `KIND@METHOD:PATTERN` (the next such call).

    `429=SECONDS@…` sends Retry-After, `slow-body=SECONDS@…` takes that long. Raises UsageError.
    """
    from dkimctl.sandbox.credentials import METHODS
    from dkimctl.sandbox.faults import Fault

    what, _, where = text.partition("@")
    kind, equals, value = what.partition("=")
    if kind not in FAULT_KINDS:
        raise UsageError(f"no such fault: {kind}", hint=_nearest(kind, list(FAULT_KINDS)))
    seconds = _number(float, value) if equals else None
    if equals and (kind not in TIMED or seconds is None or seconds < 0):
        raise UsageError(f"not a fault: {what}", hint="only 429=SECONDS and slow-body=SECONDS take seconds")
    fault = Fault(cast(FaultKind, kind), retry_after=seconds if kind == "429" else None)
    if kind == "slow-body" and seconds is not None:
        fault = replace(fault, seconds=seconds)
    if where.isdecimal() and int(where):
        return replace(fault, call=int(where))
    method, _, path = where.partition(":")
    if method in METHODS and path.startswith(("/", "*")):
        return replace(fault, method=method, path=path)
    raise UsageError(
        f"the call of this fault is unclear: {text}",
        hint=f"write {kind}@3 for the third call, or {kind}@POST:/domain/zone/*/record",
    )


def actions_without(lacking: Iterable[str]) -> list[str]:
    """Return every IAM action except these; `record/edit` is short for `dnsZone:apiovh:record/edit`.

    Raises UsageError for an unknown action.
    """
    from dkimctl.sandbox.api import every_action

    actions = every_action()
    for text in lacking:
        action = text if ":" in text else f"dnsZone:apiovh:{text}"
        if action not in actions:
            raise UsageError(f"no such action: {text}", hint=f"there are: {', '.join(actions)}")
        actions.remove(action)
    return actions


def _spelling(name: str) -> str:
    return name.replace("_", "-")


def _values(kind: Any, default: object) -> str:
    if get_origin(kind):
        return "=" + "|".join(str(choice) for choice in sorted(get_args(kind), key=lambda it: it != default))
    return {bool: "", int: "=N", float: "=SECONDS"}[kind]


def _value(spelled: str, kind: Any, text: str | None) -> object:
    if kind is bool and text is None:
        return True
    if get_origin(kind):
        for choice in get_args(kind):
            if str(choice) == text:
                return choice
    elif kind is not bool and text is not None:
        number = _number(kind, text)
        if number is not None and (number >= 0 or spelled in SIGNED):
            return number
    raise UsageError(
        f"not a value of the switch {spelled}: {text or 'none given'}",
        hint=f"write {dict(_forms())[spelled]}",
    )


def _forms() -> list[tuple[str, str]]:
    return [(form.partition("=")[0], form) for form, _ in switch_table()]


def _number(kind: type[int] | type[float], text: str) -> float | None:
    try:
        number = kind(text)
        return number if math.isfinite(number) else None
    except (ValueError, OverflowError):
        return None


def _nearest(word: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = [name for name in known if word and name.startswith(word)] or get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else "dkimctl sandbox --help lists them"
