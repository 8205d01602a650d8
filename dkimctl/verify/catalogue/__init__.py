"""Every finding about a key record: code, severity, title, why it matters, who minds, what to do.

Codes are stable. DKIM1xx: is the record there; DKIM2xx: its text; DKIM3xx: its key; DKIM4xx: its other tags;
DKIM5xx: how DNS delivers it.
"""

from dkimctl.verify.catalogue import delivery, form, keys, presence, tags
from dkimctl.verify.catalogue.entries import CATALOGUE

__all__ = ["CATALOGUE", "delivery", "form", "keys", "presence", "tags"]
