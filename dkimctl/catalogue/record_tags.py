"""DKIM4xx: the tags other than the key."""

from dkimctl.catalogue.entries import ERROR, INFO, WARNING, entry

TESTING = entry(
    401,
    WARNING,
    "the record is in testing mode",
    "With t=y verifiers must treat a failed signature like none, and some distrust valid ones too (RFC 6376 §3.6.1).",
    "publish the record without y in t= as soon as testing is over",
    verifiers="opendkim and dkimpy accept it",
)
STRICT = entry(
    402,
    WARNING,
    "t=s, but sub-domains sign with this key",
    "With t=s the domain of i= must be that of d=: mail of sub-domains fails wherever i= names the sub-domain "
    "(RFC 6376 §3.6.1). opendkim omits i= unless a signer is configured.",
    "publish the record without s in t=, or give the sub-domains keys of their own",
)
NO_SHA256 = entry(
    403,
    ERROR,
    "h= does not allow sha256",
    "h= lists the hashes that signatures may use; today every signature uses sha256 (RFC 6376 §3.6.1, RFC 8301 §3.1).",
    "omit h=, or publish h=sha256",
    verifiers="opendkim refuses it, but accepts SHA256 in capitals; dkimpy accepts it, because it ignores h=; Gmail"
    " accepts h=rsa-sha256, as senders report",
)
ODD_HASH = entry(
    404,
    WARNING,
    "h= names an unknown hash",
    "The hashes are sha256 and sha1; rsa-sha256 is the name of a signature algorithm. Unknown names must be "
    "ignored (RFC 6376 §3.6.1).",
    "omit h=, or publish h=sha256",
    verifiers="opendkim and dkimpy accept it",
)
NOT_FOR_MAIL = entry(
    405,
    ERROR,
    "s= excludes e-mail",
    "s= lists the services that the key is for; without * or email, mail signed with it fails (RFC 6376 §3.6.1).",
    "omit s=, or publish s=email",
    verifiers="opendkim and dkimpy refuse it; opendkim accepts email in capitals",
)
ODD_FLAG = entry(
    406,
    INFO,
    "unknown flag in t=",
    "Only y and s are defined; others must be ignored (RFC 6376 §3.6.1).",
    "publish the record without it",
    verifiers="opendkim and dkimpy accept it",
)
GRANULARITY = entry(
    407,
    WARNING,
    "g= is obsolete",
    "RFC 4871 let g= restrict the sender's local part; RFC 6376 removed it (appendix C). Old verifiers still "
    "refuse mail from other senders, and all mail where g= is empty.",
    "publish the record without g=",
    verifiers="opendkim and dkimpy accept it; verifiers from before 2011 may not",
)
UNKNOWN_TAG = entry(
    408,
    INFO,
    "unknown tag",
    "Verifiers must ignore unknown tags (RFC 6376 §3.2).",
    verifiers="opendkim and dkimpy accept it",
)
CAPITAL_TAG = entry(
    409,
    WARNING,
    "a tag in capitals",
    "Tag names are case-sensitive (RFC 6376 §3.2): verifiers do not see this one.",
    "publish the record with its tags in lower case",
    verifiers="opendkim and dkimpy accept it",
)
SERVICE_LIST = entry(
    410,
    WARNING,
    "s= lists several services",
    "A list is allowed (RFC 6376 §3.6.1).",
    "omit s=, or publish s=email",
    verifiers="opendkim accepts it; dkimpy refuses every value of s= except *, email and tlsrpt",
)
