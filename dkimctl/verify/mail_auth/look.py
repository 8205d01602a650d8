"""The SPF and DMARC records of a domain, and whether DMARC counts the signature that its mail gets here."""

from collections.abc import Callable, Collection, Iterator

from dkimctl.catalogue import mail_auth as c
from dkimctl.config.settings import Lookup
from dkimctl.dns.txt import txt_records
from dkimctl.errors import Unavailable
from dkimctl.findings import Entry, Finding, finding
from dkimctl.names import printable
from dkimctl.verify.mail_auth.dmarc import dmarc_problems, is_dmarc, is_strict
from dkimctl.verify.mail_auth.spf import is_spf, spf_problems


def look(domain: str, signing: Collection[str], lookup: Lookup) -> Iterator[Finding]:
    """Yield the findings about the mail of a domain. `signing`: the domains of the keys that sign here (d=).

    Never raises Unavailable: what no resolver answers is a finding that says so.
    """
    try:
        yield from _judge(domain, _records(domain, is_spf, lookup), (c.NO_SPF, c.SEVERAL_SPF, c.BAD_SPF, c.SPF))
    except Unavailable as error:
        yield finding(c.NOT_LOOKED_UP, domain, error.message)
    try:
        at, policies = _policies(domain, lookup)
    except Unavailable as error:
        yield finding(c.NOT_LOOKED_UP, f"_dmarc.{domain}", error.message)
        return
    yield from _judge(at, policies, (c.NO_DMARC, c.SEVERAL_DMARC, c.BAD_DMARC, c.DMARC))
    yield _alignment(domain, signing, is_strict=len(policies) == 1 and is_strict(policies[0]))


def _records(name: str, is_one: Callable[[str], bool], lookup: Lookup) -> list[str]:
    return [text for text in (raw.decode("latin-1") for raw in txt_records(name, lookup)) if is_one(text)]


def _policies(domain: str, lookup: Lookup) -> tuple[str, list[str]]:
    """Return the DMARC records that count for a domain, and where they are: its own, or those of one above it."""
    labels = domain.split(".")
    for above in (labels[begin:] for begin in range(max(len(labels) - 1, 1))):
        name = f"_dmarc.{'.'.join(above)}"
        if found := _records(name, is_dmarc, lookup):
            return name, found
    return f"_dmarc.{domain}", []


def _judge(name: str, texts: list[str], entries: tuple[Entry, Entry, Entry, Entry]) -> Iterator[Finding]:
    """Yield the finding about the records at a name. `entries`: none, several, one that does not parse, a right one."""
    none, several, bad, right = entries
    if not texts:
        yield finding(none, name, f"{name} has no such TXT record", fix=none.fix.replace("_dmarc.DOMAIN", name))
    elif len(texts) > 1:
        yield finding(several, name, f"{name}: {len(texts)} records: {printable(' | '.join(texts), 200)}")
    elif problems := list((spf_problems if right is c.SPF else dmarc_problems)(texts[0])):
        yield finding(bad, name, f"{name}: {printable('; '.join(problems), 200)}, in {printable(texts[0], 200)}")
    else:
        yield finding(right, name, f"{name}: {printable(texts[0], 200)}")


def _alignment(domain: str, signing: Collection[str], *, is_strict: bool) -> Finding:
    """Return the finding about d= of the signature: the domain's own, or that of the nearest one above it."""
    labels = domain.split(".")
    names = [".".join(labels[begin:]) for begin in range(len(labels))]
    signer = next((name for name in names if name in signing), None)
    if signer is None:
        fix = c.NOTHING_TO_ALIGN.fix.replace("DOMAIN", domain)
        return finding(c.NOTHING_TO_ALIGN, domain, f"no key for {domain} or a domain above it", fix=fix)
    seen = f"From …@{domain}, d={signer}, adkim={'s' if is_strict else 'r'}"
    if signer != domain and is_strict:
        return finding(c.NOT_ALIGNED, domain, seen, fix=c.NOT_ALIGNED.fix.replace("DOMAIN", domain))
    return finding(c.ALIGNED, domain, seen)
