"""The names of the HTTP faults, apart from what they do: help texts need no more."""

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
