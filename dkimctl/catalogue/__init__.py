"""Every finding that dkimctl reports: code, severity, title, why it matters, what to do.

Codes are stable. DKIM1xx: presence of the record; DKIM2xx: its text; DKIM3xx: its key; DKIM4xx: its other tags;
DKIM50x: its delivery by DNS; DKIM55x: SPF and DMARC. DKIM6xx: private keys on this disk; DKIM70x to
DKIM74x: opendkim.conf and the start of the daemon; DKIM75x to DKIM77x: KeyTable and SigningTable; DKIM78x: host
lists; DKIM8xx: the path from Postfix to the daemon; DKIM90x to DKIM94x: processes, the clock, and what could not be
checked; DKIM95x: the OVH credential; DKIM96x: a fleet.
"""

from dkimctl.catalogue import (
    conf,
    delivery,
    fleet,
    machine,
    mail_auth,
    ovh_credential,
    postfix,
    presence,
    private_keys,
    record_form,
    record_keys,
    record_tags,
    tables,
)
from dkimctl.catalogue.entries import CATALOGUE

__all__ = [
    "CATALOGUE",
    "conf",
    "delivery",
    "fleet",
    "machine",
    "mail_auth",
    "ovh_credential",
    "postfix",
    "presence",
    "private_keys",
    "record_form",
    "record_keys",
    "record_tags",
    "tables",
]
