"""Peculiarities of single services as data: the form of long texts, and whether records are changed in place."""

from enum import StrEnum


class TextForm(StrEnum):
    """The form in which a service of dns-lexicon expects a TXT record's text."""

    PLAIN = "plain"
    """Unchanged: the service splits it into character-strings."""
    QUOTED = "quoted"
    """Character-strings in quotes: `"aaa" "bbb"`."""
    INNER = "inner"
    """Character-strings in quotes without the outermost ones, which the library adds: `aaa" "bbb`."""


FORMS = {
    "ddns": TextForm.QUOTED,
    "devnomads": TextForm.INNER,
    "googleclouddns": TextForm.INNER,
    "localzone": TextForm.QUOTED,
    "powerdns": TextForm.INNER,
    "rcodezero": TextForm.INNER,
    "route53": TextForm.INNER,
    "zilore": TextForm.INNER,
}
"""Services whose form is not PLAIN; `text_form` in the configuration overrides it."""

REMAKING = frozenset(
    {
        "azure", "desec", "devnomads", "dinahosting", "dreamhost", "dynu", "gehirn", "googleclouddns", "henet",
        "hostingde", "hover", "httpnet", "ionos", "misaka", "namecheap", "nfsn", "nsone", "powerdns", "rcodezero",
        "ultradns", "vercel", "zonomi",
    }
)  # fmt: skip
"""Services whose records dns-lexicon 3.25 may delete and create again in order to update them."""
