"""DKIM95x: a credential of the OVH API."""

from dkimctl.catalogue.entries import ERROR, INFO, UNKNOWN, WARNING, entry

NOT_USABLE = entry(
    950,
    ERROR,
    "OVH does not accept the credential",
    "Nothing can be published or rotated with it: it was never validated, was refused or revoked, has expired, or"
    " its parts do not belong together.",
    "request a new one: dkimctl ovh login ZONE",
)
ENDS_SOON = entry(
    951,
    WARNING,
    "the OVH credential expires soon",
    "From that day on nothing can be published or rotated. OVH sends no reminder; the lifetime is chosen on the "
    "page where the key is validated.",
    "replace it before then: dkimctl ovh login ZONE --replace",
)
LACKS = entry(
    952,
    ERROR,
    "the OVH credential lacks required rights",
    "Publishing stops at the first call that is not granted, perhaps between two changes.",
    "request a credential that has them: dkimctl ovh login ZONE",
)
LACKS_COMFORT = entry(
    953,
    INFO,
    "the OVH credential lacks optional rights",
    "Publishing works without them: the zone is found by its records, and the deployment of a refresh is not "
    "confirmed by the API.",
)
MORE = entry(
    954,
    INFO,
    "the OVH credential has more rights than needed",
    "Anyone who obtains it can use all of them. dkimctl needs nine rules for each zone.",
    "replace it with one that has only these rights: dkimctl ovh login ZONE --replace",
)
NO_ZONE = entry(
    955,
    ERROR,
    "the zone is not in the OVH account",
    "OVH grants rules for any name, but this credential's account has no such zone.",
    "check the spelling, the account and the endpoint",
)
NOT_ASKED = entry(
    956,
    UNKNOWN,
    "OVH could not be asked about the credential",
    "Its rights and its expiry are unknown.",
    "run the same command again",
)
WRITING_UNKNOWN = entry(
    957,
    INFO,
    "the write access of a service account cannot be checked",
    "The API reveals the policies of a service account only by refusing a call, and this command makes no call that "
    "changes anything.",
    "dkimctl publish names the missing action, if there is one",
)
NOT_READ = entry(
    958,
    UNKNOWN,
    "the OVH credential could not be read",
    "Whether it can be used, and until when, is unknown. publish stops at the same point.",
    "run it as root",
)
