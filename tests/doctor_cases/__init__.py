"""Installations that are broken, each with the code that must be found, and sound ones where nothing may be wrong."""

from tests.doctor_cases.base import Case, Change, both, pem
from tests.doctor_cases.conf import CONF_CASES, HOST_CASES, START_CASES
from tests.doctor_cases.keys_and_tables import KEY_CASES, TABLE_CASES, WEAK
from tests.doctor_cases.postfix import BACK_IN, LOCAL, PIPE, POSTFIX_CASES, SMTP, SUBMISSION
from tests.doctor_cases.sound import SOUND, key_file, refile_tables

__all__ = [
    "BACK_IN",
    "BROKEN",
    "LOCAL",
    "PIPE",
    "POSTFIX_CASES",
    "SMTP",
    "SOUND",
    "START_CASES",
    "SUBMISSION",
    "WEAK",
    "Case",
    "Change",
    "both",
    "key_file",
    "pem",
    "refile_tables",
]

BROKEN = [*KEY_CASES, *TABLE_CASES, *CONF_CASES, *HOST_CASES, *START_CASES, *POSTFIX_CASES]
