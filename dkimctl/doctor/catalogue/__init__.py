"""Every finding about this host: code, severity, title, why it matters, what to do.

Codes are stable. DKIM6xx: private keys on this disk; DKIM70x to DKIM74x: opendkim.conf and how the daemon is started;
DKIM75x to DKIM77x: KeyTable and SigningTable; DKIM78x: whose mail is signed; DKIM8xx: the way from Postfix to the
daemon; DKIM9xx: what runs, the clock, and what could not be looked at.
"""

from dkimctl.doctor.catalogue import conf, keys, machine, postfix, tables
from dkimctl.doctor.catalogue.entries import CATALOGUE

__all__ = ["CATALOGUE", "conf", "keys", "machine", "postfix", "tables"]
