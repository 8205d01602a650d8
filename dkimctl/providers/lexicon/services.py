"""What must be known of single services, as data: how they take long texts, and whether they change in place."""

from enum import StrEnum


class TextForm(StrEnum):
    """How a TXT record's text is handed to a service of dns-lexicon."""

    PLAIN = "plain"
    """As it is: the service cuts it into character-strings."""
    QUOTED = "quoted"
    """As character-strings in quotes: `"aaa" "bbb"`."""
    INNER = "inner"
    """The same without the outermost quotes, which the library adds: `aaa" "bbb`."""


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
"""Services whose texts are not PLAIN; `text_form` in the configuration wins."""

REMAKING = frozenset(
    {
        "azure", "desec", "devnomads", "dinahosting", "dreamhost", "dynu", "gehirn", "googleclouddns", "henet",
        "hostingde", "hover", "httpnet", "ionos", "misaka", "namecheap", "nfsn", "nsone", "powerdns", "rcodezero",
        "ultradns", "vercel", "zonomi",
    }
)  # fmt: skip
"""Services whose records dns-lexicon 3.25 may remove before it makes them anew, when told to update them."""
