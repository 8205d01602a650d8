"""DKIM2xx: the text of the record."""

from dkimctl.catalogue.entries import ERROR, entry

NOT_DKIM = entry(
    201,
    ERROR,
    "not a key record",
    "The TXT record at the name is something else: verifiers see a syntax error (RFC 6376 §3.6.1).",
    "replace it by the key record",
    verifiers="opendkim and dkimpy refuse it",
)
MALFORMED = entry(
    202,
    ERROR,
    "the key record is malformed",
    "A key record is a list of tag=value separated by semicolons (RFC 6376 §3.2); verifiers must ignore a key "
    "whose record they cannot parse (§6.1.2).",
    "replace it by a well-formed record",
    verifiers="opendkim and dkimpy refuse an empty tag and one without =; both accept hyphens and dots in tag names",
)
TRUNCATED = entry(
    203,
    ERROR,
    "the key record is truncated",
    "The key's own length field says that more must follow. 255 octets is one character-string of a TXT record "
    "(RFC 1035 §3.3): some providers' forms keep only the first. OVH cuts a TXT field so; its DKIM field does "
    "not.",
    "publish it again, in several strings; at OVH as field type DKIM: dkimctl publish DOMAIN --provider ovh",
    verifiers="opendkim and dkimpy refuse it",
)
NOT_BASE64 = entry(
    204,
    ERROR,
    "p= is not base64",
    "The key must be base64 with nothing but white space between (RFC 6376 §3.6.1, RFC 4648 §4).",
    "replace the record by one whose p= is copied whole",
    verifiers="opendkim and dkimpy accept it by passing over the rest; strict decoders, such as Go's, refuse it",
)
PKCS1 = entry(
    205,
    ERROR,
    "the key is in PKCS#1 form",
    "p= holds an RSAPublicKey where verifiers expect a SubjectPublicKeyInfo (RFC 6376 §3.6.1 with erratum 3017).",
    "publish the key in its other form: openssl rsa -in KEY -pubout, or dkimctl record DOMAIN",
    verifiers="opendkim refuses it, as do Mail::DKIM and rspamd; dkimpy accepts it, as does go-msgauth",
)
NO_KEY = entry(
    206,
    ERROR,
    "p= holds no usable key",
    "The base64 is right, but what it says is not a public key of the type that k= names (RFC 6376 §3.6.1).",
    "publish the record again, copied from: dkimctl record DOMAIN",
    verifiers="opendkim and dkimpy refuse what is no key; both accept one with more octets behind it; opendkim goes "
    "by the signature's a= and not by k=",
)
QUOTED = entry(
    207,
    ERROR,
    "quotes or backslashes inside the record",
    "The quotes and backslashes of zone files were stored as part of the text. They end no string and hide "
    "nothing: the version or the key is then misread (RFC 6376 §3.2).",
    "publish the text without quotes and backslashes; a web form adds them by itself",
    verifiers="opendkim and dkimpy refuse it; inside p= both accept them by passing over them, strict decoders do not",
)
DUPLICATE_TAG = entry(
    208,
    ERROR,
    "a tag stands twice",
    "A record with two tags of one name is invalid as a whole (RFC 6376 §3.2).",
    "publish the record with each tag once",
    verifiers="opendkim accepts it and takes the last of the two; dkimpy refuses it",
)
VERSION = entry(
    209,
    ERROR,
    "v= is not DKIM1",
    "If there is a v=, it must be exactly DKIM1, else the record must be discarded (RFC 6376 §3.6.1). Often a "
    "semicolon is missing behind it.",
    "publish the record with v=DKIM1; at its start",
    verifiers="opendkim and dkimpy refuse it; opendkim accepts “DKIM 1”, for it drops the space",
)
NO_P = entry(
    210,
    ERROR,
    "no p= tag",
    "p= holds the key and is required; empty it says that the key is revoked (RFC 6376 §3.6.1).",
    "publish the whole record, copied from: dkimctl record DOMAIN",
    verifiers="opendkim and dkimpy refuse it",
)
ODD_OCTET = entry(
    211,
    ERROR,
    "an octet that may not stand in a record",
    "Tags and values are printable ASCII (RFC 6376 §3.2); a note is written as quoted-printable.",
    "publish the record without it",
    verifiers="opendkim refuses it, but accepts what stands before an octet 0; dkimpy accepts it",
)
TOO_LONG_TEXT = entry(
    212,
    ERROR,
    "the record is too long for opendkim",
    "opendkim reads 1023 octets of a key record and takes the rest for missing (measured with 2.11). RFC 6376 "
    "§3.6.2.2 sets no limit.",
    "shorten it: leave n= out, and use a key of 2048 bits",
    verifiers="opendkim refuses it (permerror); dkimpy accepts it, as does Mail::DKIM",
)
LATE_VERSION = entry(
    213,
    ERROR,
    "v= is not the first tag",
    "If there is a v=, it must be the first tag (RFC 6376 §3.6.1): strict verifiers ignore the key.",
    "publish the record with v=DKIM1; at its start",
    verifiers="opendkim and dkimpy accept it, as does Mail::DKIM; mox refuses it",
)
UNPADDED = entry(
    214,
    ERROR,
    "p= lacks its padding",
    "Base64 ends with = or == where its length is no multiple of four (RFC 4648 §4).",
    "publish the record with the whole p=",
    verifiers="opendkim accepts it; dkimpy refuses it, as do Mail::DKIM and strict decoders such as Go's",
)
DAMAGED = entry(
    215,
    ERROR,
    "the key was damaged on its way into DNS",
    "p= is nearly a key: a web form turned each + into a blank, or characters were lost or changed inside it. "
    "Verifiers read another key, or none (RFC 6376 §3.6.1).",
    "publish the record again, copied as a whole from: dkimctl record DOMAIN",
    verifiers="opendkim and dkimpy refuse it",
)
