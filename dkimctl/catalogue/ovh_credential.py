"""Every finding about a credential of the OVH API: DKIM95x."""

from dkimctl.catalogue.entries import ERROR, INFO, UNKNOWN, WARNING, entry

NOT_USABLE = entry(
    950,
    ERROR,
    "OVH does not take the credential",
    "Nothing can be published or rotated with it: it was never validated, was refused or revoked, has ended, or its "
    "parts do not belong together.",
    "ask for a new one: dkimctl ovh login ZONE",
)
ENDS_SOON = entry(
    951,
    WARNING,
    "the OVH credential ends soon",
    "From that day on nothing can be published or rotated. OVH tells nobody; the lifetime is chosen on the page where "
    "the key is validated.",
    "replace it before: dkimctl ovh login ZONE --replace",
)
LACKS = entry(
    952,
    ERROR,
    "the OVH credential lacks rights that are needed",
    "Publishing stops at the first call that is not granted, perhaps between two changes.",
    "ask for a credential that has them: dkimctl ovh login ZONE",
)
LACKS_COMFORT = entry(
    953,
    INFO,
    "the OVH credential lacks rights that help",
    "Publishing works without: the zone is found by its records, and nobody tells when a refresh has been deployed.",
)
MORE = entry(
    954,
    INFO,
    "the OVH credential may do more than is needed",
    "Whoever gets at it may do all of that. dkimctl needs nine rules for each zone.",
    "ask for one that may do less: dkimctl ovh login ZONE --replace",
)
NO_ZONE = entry(
    955,
    ERROR,
    "the zone is not in the OVH account",
    "Rules are granted for any name; the account to which the credential belongs has no such zone.",
    "check the spelling, the account and the endpoint",
)
NOT_ASKED = entry(
    956,
    UNKNOWN,
    "OVH could not be asked about the credential",
    "What it may do, and until when, is not known.",
    "run the same command again",
)
WRITING_UNKNOWN = entry(
    957,
    INFO,
    "whether a service account may write cannot be asked",
    "The API tells the policies of a service account only by refusing a call; this makes none that changes something.",
    "the first publication will tell, and name the action that is missing",
)
NOT_READ = entry(
    958,
    UNKNOWN,
    "the OVH credential could not be read",
    "Whether it can be used, and until when, is not known. publish stops at the same place.",
    "run it as root",
)
