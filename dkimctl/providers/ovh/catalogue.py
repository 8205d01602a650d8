"""Every finding about a credential of the OVH API: DKIM95x."""

from dkimctl.findings import Entry, Severity

CATALOGUE: dict[str, Entry] = {}


def _entry(code: int, severity: Severity, title: str, meaning: str, fix: str = "") -> Entry:
    entry = Entry(f"DKIM{code}", severity, title, meaning, fix)
    assert entry.code not in CATALOGUE
    CATALOGUE[entry.code] = entry
    return entry


NOT_USABLE = _entry(
    950,
    Severity.ERROR,
    "OVH does not take the credential",
    "Nothing can be published or rotated with it: it was never validated, was refused or revoked, has ended, or its "
    "parts do not belong together.",
    "ask for a new one: dkimctl ovh login ZONE",
)
ENDS_SOON = _entry(
    951,
    Severity.WARNING,
    "the OVH credential ends soon",
    "From that day on nothing can be published or rotated. OVH tells nobody; the lifetime is chosen on the page where "
    "the key is validated.",
    "replace it before: dkimctl ovh login ZONE --replace",
)
LACKS = _entry(
    952,
    Severity.ERROR,
    "the OVH credential lacks rights that are needed",
    "Publishing stops at the first call that is not granted, perhaps between two changes.",
    "ask for a credential that has them: dkimctl ovh login ZONE",
)
LACKS_COMFORT = _entry(
    953,
    Severity.INFO,
    "the OVH credential lacks rights that help",
    "Publishing works without: the zone is found by its records, and nobody tells when a refresh has been deployed.",
)
MORE = _entry(
    954,
    Severity.INFO,
    "the OVH credential may do more than is needed",
    "Whoever gets at it may do all of that. dkimctl needs nine rules for each zone.",
    "ask for one that may do less: dkimctl ovh login ZONE --replace",
)
NO_ZONE = _entry(
    955,
    Severity.ERROR,
    "the zone is not in the OVH account",
    "Rules are granted for any name; the account to which the credential belongs has no such zone.",
    "check the spelling, the account and the endpoint",
)
NOT_ASKED = _entry(
    956,
    Severity.UNKNOWN,
    "OVH could not be asked about the credential",
    "What it may do, and until when, is not known.",
    "run the same command again",
)
WRITING_UNKNOWN = _entry(
    957,
    Severity.INFO,
    "whether a service account may write cannot be asked",
    "The API tells the policies of a service account only by refusing a call; this makes none that changes something.",
    "the first publication will tell, and name the action that is missing",
)
NOT_READ = _entry(
    958,
    Severity.UNKNOWN,
    "the OVH credential could not be read",
    "Whether it can be used, and until when, is not known. publish stops at the same place.",
    "run it as root",
)
