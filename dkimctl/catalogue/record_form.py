"""DKIM2xx: the text of the record."""

from dkimctl.catalogue.entries import ERROR, entry

NOT_DKIM = entry(
    201,
    ERROR,
    "not a key record",
    "The TXT record at the name is something else: verifiers report a syntax error (RFC 6376 §3.6.1).",
    "replace it with the key record",
    verifiers="opendkim and dkimpy refuse it",
)
MALFORMED = entry(
    202,
    ERROR,
    "the key record is malformed",
    "A key record is a list of tag=value separated by semicolons (RFC 6376 §3.2); verifiers must ignore a key "
    "whose record they cannot parse (§6.1.2).",
    "replace it with a well-formed record",
    verifiers="opendkim and dkimpy refuse an empty tag and one without =; both accept hyphens and dots in tag names",
)
TRUNCATED = entry(
    203,
    ERROR,
    "the key record is truncated",
    "The key's own length field says that more must follow. 255 octets is one character-string of a TXT record "
    "(RFC 1035 §3.3): some providers' forms keep only the first. OVH truncates a TXT field this way, but not its "
    "DKIM field.",
    "publish it again, in several strings; at OVH with field type DKIM: dkimctl publish DOMAIN --provider ovh",
    verifiers="opendkim and dkimpy refuse it",
)
NOT_BASE64 = entry(
    204,
    ERROR,
    "p= is not base64",
    "The key must be base64, with only white space in between (RFC 6376 §3.6.1, RFC 4648 §4).",
    "replace the record with one whose p= is copied whole",
    verifiers="opendkim and dkimpy accept it and skip the other characters; strict decoders, such as Go's, refuse it",
)
PKCS1 = entry(
    205,
    ERROR,
    "the key is in PKCS#1 form",
    "p= holds an RSAPublicKey where verifiers expect a SubjectPublicKeyInfo (RFC 6376 §3.6.1 with erratum 3017).",
    "publish the key in the other form: openssl rsa -in KEY -pubout, or dkimctl record DOMAIN",
    verifiers="opendkim refuses it, as do Mail::DKIM and rspamd; dkimpy accepts it, as does go-msgauth",
)
NO_KEY = entry(
    206,
    ERROR,
    "p= has no usable key",
    "The base64 is valid, but it does not encode a public key of the type in k= (RFC 6376 §3.6.1).",
    "publish the record again, copied from: dkimctl record DOMAIN",
    verifiers="opendkim and dkimpy refuse what is not a key; both accept one with extra octets at the end; opendkim "
    "uses the signature's a= and not k=",
)
QUOTED = entry(
    207,
    ERROR,
    "quotes or backslashes inside the record",
    "The quotes and backslashes of zone-file syntax were stored as part of the text, and the version or the key "
    "is misread (RFC 6376 §3.2).",
    "publish the text without quotes and backslashes; a web form adds them itself",
    verifiers="opendkim and dkimpy refuse it; inside p= both accept and skip them, strict decoders do not",
)
DUPLICATE_TAG = entry(
    208,
    ERROR,
    "duplicate tag",
    "A record with two tags of one name is invalid as a whole (RFC 6376 §3.2).",
    "publish the record with each tag once",
    verifiers="opendkim accepts it and uses the last one; dkimpy refuses it",
)
VERSION = entry(
    209,
    ERROR,
    "v= is not DKIM1",
    "If v= is present, it must be exactly DKIM1, or the record must be discarded (RFC 6376 §3.6.1). Often the "
    "semicolon after it is missing.",
    "publish the record with v=DKIM1; at its start",
    verifiers="opendkim and dkimpy refuse it; opendkim accepts “DKIM 1”, because it drops the space",
)
NO_P = entry(
    210,
    ERROR,
    "no p= tag",
    "p= is the key and is required; an empty p= means that the key is revoked (RFC 6376 §3.6.1).",
    "publish the whole record, copied from: dkimctl record DOMAIN",
    verifiers="opendkim and dkimpy refuse it",
)
ODD_OCTET = entry(
    211,
    ERROR,
    "an octet that is not allowed in a record",
    "Tags and values are printable ASCII (RFC 6376 §3.2); notes are quoted-printable.",
    "publish the record without it",
    verifiers="opendkim refuses it, but accepts the text before a NUL octet; dkimpy accepts it",
)
TOO_LONG_TEXT = entry(
    212,
    ERROR,
    "the record is too long for opendkim",
    "opendkim reads 1023 octets of a key record and treats the rest as missing (measured with 2.11). RFC 6376 "
    "§3.6.2.2 sets no limit.",
    "shorten it: omit n=, and use a key of 2048 bits",
    verifiers="opendkim refuses it (permerror); dkimpy accepts it, as does Mail::DKIM",
)
LATE_VERSION = entry(
    213,
    ERROR,
    "v= is not the first tag",
    "If v= is present, it must be the first tag (RFC 6376 §3.6.1): strict verifiers ignore the key.",
    "publish the record with v=DKIM1; at its start",
    verifiers="opendkim and dkimpy accept it, as does Mail::DKIM; mox refuses it",
)
UNPADDED = entry(
    214,
    ERROR,
    "p= lacks its padding",
    "Base64 ends with = or == where its length is not a multiple of four (RFC 4648 §4).",
    "publish the record with the complete p=",
    verifiers="opendkim accepts it; dkimpy refuses it, as do Mail::DKIM and strict decoders such as Go's",
)
DAMAGED = entry(
    215,
    ERROR,
    "the key was damaged before it reached DNS",
    "p= is almost a key: a web form turned each + into a blank, or characters were lost or changed. Verifiers "
    "read another key, or none (RFC 6376 §3.6.1).",
    "publish the record again, copied whole from: dkimctl record DOMAIN",
    verifiers="opendkim and dkimpy refuse it",
)
