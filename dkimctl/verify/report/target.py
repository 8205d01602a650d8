"""Which key record is checked, and what it should hold."""

from typing import NamedTuple

from dkimctl.keys.metadata import Tags
from dkimctl.keys.public import PublicKey
from dkimctl.names import DOMAINKEY


class Target(NamedTuple):
    """A key record to look for."""

    selector: str
    domain: str
    expected: PublicKey | None = None
    """The key that must be in the record; None to judge any key."""
    tags: Tags | None = None
    """The tags the record was made with, where they are known."""
    subdomains: bool = False
    """True when mail of sub-domains is signed with this key."""
    alias: str = ""
    """Where the CNAME of a delegated domain must lead; empty when the record belongs at the owner name itself."""

    @property
    def owner(self) -> str:
        """`<selector>._domainkey.<domain>`, without final dot; it may be too long for DNS, which is a finding."""
        return f"{self.selector}.{DOMAINKEY}.{self.domain}"
