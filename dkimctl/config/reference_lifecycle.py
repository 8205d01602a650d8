"""The keys of dkimctl.toml about the life of keys: of all domains, and of one."""

from dkimctl.config.reference_table import KeyReference, TableReference

_K = KeyReference

LIFECYCLE = TableReference(
    "lifecycle",
    "When `rotate` replaces keys. A duration is a number with its unit: d (days), h, m (minutes) or s.",
    (
        _K(
            "rotate_after",
            '"180d"',
            "The age at which a key is replaced, 10 % more or less depending on the domain.",
        ),
        _K(
            "publication_margin",
            '"1h"',
            "How long a new key waits before it signs, once every name server serves it; or the negative TTL of "
            "its zone, where that is longer.",
        ),
        _K(
            "keep_after",
            '"14d"',
            "How long an old record is kept after the last signature with its key; at least two days longer than "
            "Postfix keeps mail in its queue. With signature_ttl it may be as short as that.",
        ),
        _K(
            "revoked_for",
            '"30d"',
            "How long a record says that its key is revoked (an empty p=) before it is removed.",
        ),
        _K("private_key_for", '"90d"', "How long an old private key is kept after its last signature."),
        _K(
            "standby",
            "true",
            "Publish the next key right after a switch, so that a rotation, or a leaked key, never waits for DNS.",
        ),
        _K(
            "automation",
            '"full"',
            '"full"; "until-switch": prepare the next key, and leave the switch to a person (rotate --now DOMAIN); '
            '"off": only check. Keys that adopt took over are "off" until set otherwise in the table of their '
            "domain, or by resume DOMAIN.",
        ),
        _K("hours", '"00:00-24:00"', "The hours in which a switch may happen, in UTC; they may cross midnight."),
        _K(
            "days",
            '["mon", "tue", "wed", "thu", "fri", "sat", "sun"]',
            "The days, in UTC, on which those hours may begin.",
        ),
        _K(
            "publish_retired",
            '"off"',
            "A directory, such as one of a web server, in which old private keys are published once no name server "
            "and no cache has their record: old signatures in a stolen mailbox then prove nothing. Keys that "
            "leaked or were taken over are not published.",
        ),
        _K("canary", "true", "Switch one domain, then 1 % of them, then the rest."),
        _K("most_new_keys", "50", "The most new keys that one run makes."),
        _K(
            "signature_ttl",
            '"0"',
            "How long a signature is valid (x=, opendkim's SignatureTTL). 0: no expiry. rspamd and dkimpy-milter "
            "cannot set it.",
        ),
    ),
)

DOMAIN = TableReference(
    'domains."example.com"',
    "One domain, where it differs from the rest.",
    (
        _K("selector", '"mail"', "The selector of new keys, instead of the pattern."),
        _K("provider", '"zonefile:/etc/bind/db.example.com"', "The provider of this domain's records."),
        _K("zone", '"example.com"', "The zone that holds the records, where DNS does not show it."),
        _K("ttl", "3600", "The TTL of the records, in seconds. Not set: the provider's default."),
        _K("subdomains", "false", "Sign for sub-domains of this domain as well."),
        _K(
            "delegate",
            '"dkim.example.net"',
            "For a customer's domain: its records are published below this domain of yours, and the customer adds "
            "one CNAME for each slot, as `dkimctl record DOMAIN` prints them.",
        ),
        _K("rotate_after", '"90d"', "As in [lifecycle], like all that follow."),
        _K("publication_margin", '"2h"', "The wait before a new key signs."),
        _K("keep_after", '"21d"', "How long an old record stays."),
        _K("revoked_for", '"14d"', "How long it says that its key is revoked."),
        _K("private_key_for", '"30d"', "How long an old private key stays."),
        _K("standby", "false", "Publish the next key right after a switch."),
        _K("automation", '"until-switch"', "What happens automatically, also to keys that adopt took over."),
        _K("hours", '"02:00-05:00"', "When a switch may happen, in UTC."),
        _K("days", '["tue", "wed"]', "The days on which those hours may begin."),
        _K("publish_retired", '"/var/www/dkim"', "Where old private keys are published."),
    ),
)
