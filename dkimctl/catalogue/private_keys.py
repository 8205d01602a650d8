"""DKIM6xx: private keys, as the daemon that reads them sees them."""

from dkimctl.catalogue.entries import ERROR, INFO, UNKNOWN, WARNING, entry

_STOPS = (
    "Mail that needs this key is deferred with 4.7.1, whatever milter_default_action is, because the milter did answer."
)
_SAFE = f"opendkim refuses such a key (`key data is not secure`). {_STOPS}"

MISSING = entry(
    601, ERROR, "the key file does not exist", f"opendkim logs `can't load key from …: No such file`. {_STOPS}"
)
UNREADABLE = entry(
    602,
    ERROR,
    "the daemon cannot open the key file",
    f"opendkim opens the key for each message, as its own user. {_STOPS}",
)
NOT_A_FILE = entry(
    603,
    ERROR,
    "the key is not a regular file",
    f"It is a directory, a device or a loop of symbolic links. {_STOPS}",
)
FILE_OWNER = entry(604, ERROR, "the key file belongs to another user", _SAFE)
FILE_GROUP = entry(605, ERROR, "the key file is accessible to a group with other members", _SAFE)
FILE_OTHERS = entry(606, ERROR, "other users can read or write the key file", _SAFE)
DIRECTORY_OTHERS = entry(
    607, ERROR, "all users can write to a directory above the key", f"{_SAFE} A sticky bit, as on /tmp, does not help."
)
DIRECTORY_GROUP = entry(608, ERROR, "a group with other members can write to a directory above the key", _SAFE)
DIRECTORY_OWNER = entry(609, ERROR, "a directory above the key belongs to another user", _SAFE)
SAFETY_OFF = entry(
    610,
    WARNING,
    "RequireSafeKeys is off",
    "opendkim then signs with keys that other users can read or replace, and only logs a warning.",
    "delete the line: the default is yes",
)
NOT_A_KEY = entry(
    611,
    ERROR,
    "the file has no usable private key",
    f"opendkim reads PEM (PKCS#8 or PKCS#1) and bare base64 that starts with MII. {_STOPS}",
)
ENCRYPTED = entry(
    612, ERROR, "the key is encrypted", f"The daemon cannot ask for a passphrase (`PEM_read_bio… failed`). {_STOPS}"
)
TOO_SMALL = entry(
    613,
    ERROR,
    "the key is smaller than the daemon allows",
    "opendkim answers 550 5.7.0 `DKIM signing error`: the mail is lost (`private key too small`, RFC 8301 §3.2).",
)
OTHER_ALGORITHM = entry(
    614,
    ERROR,
    "SignatureAlgorithm is RSA, the key is not",
    f"opendkim 2.11 signs with one algorithm, whatever the key. {_STOPS}",
)
INVALID_SIGNATURES = entry(
    615,
    ERROR,
    "SignatureAlgorithm is ed25519, the key is RSA",
    "opendkim then signs and reports success, but every signature fails at every verifier.",
)
SHORT = entry(
    616,
    WARNING,
    "the key is short",
    "Signers should use at least 2048 bits (RFC 8301 §3.2).",
)
NOT_A_PATH = entry(
    617,
    ERROR,
    "the KeyTable has no absolute path to the key",
    f"A value that does not begin with / is read as the key itself. {_STOPS}",
)
LONG = entry(
    618,
    WARNING,
    "the key is longer than verifiers must support",
    "Verifiers need not accept more than 4096 bits (RFC 8301 §3.2), and the record needs four strings.",
)
NOT_TRIED = entry(
    619,
    UNKNOWN,
    "the keys could not be opened as the daemon's user",
    "Only root can test what another user may read; modes that look right can still be wrong.",
    "sudo dkimctl doctor",
)
DATABASE = entry(
    620,
    INFO,
    "the keys are in a database",
    "doctor does not read database tables; the dry run and the selftest show whether opendkim signs.",
)
