"""The names of the HTTP faults, in a module of their own because help texts need only these."""

from typing import Literal, get_args

FaultKind = Literal[
    "408-html",
    "500-json",
    "502-html",
    "429",
    "409",
    "460",
    "reset-before",
    "reset-after",
    "timeout",
    "slow-body",
    "null",
    "empty-200",
    "truncated-json",
    "null-error",
    "html-200",
]
FAULT_KINDS: tuple[str, ...] = get_args(FaultKind)
