"""Every key of dkimctl.toml with its default and its meaning: what dkimctl.toml(5) says."""

from dkimctl.config.reference_lifecycle import DOMAIN, LIFECYCLE
from dkimctl.config.reference_table import KeyReference, TableReference

_K = KeyReference

REFERENCE: tuple[TableReference, ...] = (
    TableReference(
        "",
        "",
        (_K("provider", '"ovh"', "The provider for domains that name none. Not set: --provider is needed."),),
    ),
    TableReference(
        "keys",
        "How genkey and setup make new keys.",
        (
            _K("algorithm", '"rsa"', '"rsa" or "ed25519". Many receivers verify RSA only.'),
            _K("bits", "2048", "The size of an RSA key, 2048 to 4096."),
            _K("selector", '"dk%Y%m"', "The selector of new keys: a strftime(3) pattern."),
            _K("owner", '"opendkim:opendkim"', "USER:GROUP of the daemon that reads the keys."),
        ),
    ),
    TableReference(
        "signing",
        "What render-config writes for the signer and for Postfix.",
        (
            _K("signer", '"opendkim"', '"opendkim", "rspamd" or "dkimpy-milter".'),
            _K(
                "socket",
                '"local:/var/spool/postfix/opendkim/opendkim.sock"',
                'Where the signer listens: "local:/PATH" or "inet:PORT@HOST".',
            ),
            _K("tables", '"file"', '"file": exact names, fast at any size. "refile": patterns.'),
            _K("canonicalization", '"relaxed/simple"', "Of header and body (RFC 6376 section 3.4)."),
            _K("subdomains", "true", "Sign for sub-domains of each domain as well."),
            _K("trusted_hosts", '["127.0.0.1", "::1"]', "Addresses, networks and host names whose mail is signed."),
            _K(
                "milter_default_action",
                '"tempfail"',
                'What Postfix does while the signer does not answer: "tempfail" (mail waits in the sender\'s queue), '
                '"shutdown" (the same; kept where it is the default of Postfix), "accept" (mail leaves unsigned), '
                '"reject" or "quarantine".',
            ),
        ),
    ),
    LIFECYCLE,
    TableReference(
        "dns",
        "How DNS is queried.",
        (
            _K("nameservers", "[]", "Resolvers, HOST or HOST:PORT. Empty: those of this machine."),
            _K("port", "53", "The port at which authoritative servers are queried."),
            _K("timeout", "3", "Seconds to wait for one reply."),
        ),
    ),
    TableReference(
        "fleet",
        "Many relays, one truth in PostgreSQL.",
        (
            _K(
                "database",
                '"postgresql:///dkimctl"',
                'The database, as libpq names it: a URL, "host=… dbname=…" or "service=NAME", without a password. Not '
                "set: no fleet.",
            ),
            _K(
                "database_file",
                '"/etc/dkimctl/fleet.database"',
                "Instead of database: a file of mode 0600 with the same content, which may include a password.",
            ),
            _K(
                "identity",
                '"/etc/dkimctl/fleet.age"',
                "The age identity of this host, mode 0600; it decrypts the fleet key, and that the private keys.",
            ),
            _K(
                "max_stale",
                '"0"',
                "On a relay: how old the last sync may be when its signer starts, as checked by fleet sync "
                "--before-start; 0: no limit.",
            ),
        ),
    ),
    TableReference(
        "paths",
        "Where files are, as the daemons see them; --root is put in front.",
        (
            _K("keys", '"/etc/opendkim/keys"', "The key directory."),
            _K("opendkim_conf", '"/etc/opendkim.conf"', "opendkim's configuration file."),
            _K("opendkim_directory", '"/etc/opendkim"', "The directory of KeyTable, SigningTable and TrustedHosts."),
            _K("postfix_directory", '"/etc/postfix"', "The directory of main.cf and master.cf."),
            _K("tmpfiles_directory", '"/etc/tmpfiles.d"', "For the directory of the milter socket; see tmpfiles.d(5)."),
            _K("pid_file", '"/run/opendkim/opendkim.pid"', "The PID file that opendkim's unit waits for."),
            _K("backups", '"/var/backups/dkimctl"', "What --install replaced is kept below this directory."),
            _K(
                "programs",
                "[]",
                "Directories searched for programs before the system's; root reads them only from a file of root's.",
            ),
        ),
    ),
    TableReference(
        "providers.ovh",
        "OVH's API.",
        (
            _K("endpoint", '"ovh-eu"', '"ovh-eu", "ovh-ca" or "ovh-us".'),
            _K("credentials", '"/etc/dkimctl/ovh.conf"', "The file with the keys of the API, mode 0600."),
        ),
    ),
    TableReference(
        "providers.rfc2136",
        "A primary name server that accepts dynamic updates (RFC 2136).",
        (
            _K("server", '"192.0.2.53"', "HOST or HOST:PORT of the primary."),
            _K(
                "key_file", '"/etc/dkimctl/rfc2136.key"', "The TSIG key, as tsig-keygen and keymgr write it, mode 0600."
            ),
        ),
    ),
    TableReference(
        "providers.zonefile",
        "Zone files of a name server on this machine.",
        (
            _K(
                "reload",
                '["rndc", "reload", "{zone}"]',
                "The program to run after a change. Not set: you reload the server yourself.",
            ),
            _K(
                "directory",
                '"/var/cache/bind"',
                "The directory of relative names in $INCLUDE. Not set: that of the zone file.",
            ),
        ),
    ),
    TableReference(
        'providers."lexicon:cloudflare"',
        "A service of dns-lexicon, here Cloudflare. Options of the service itself may be set as well.",
        (
            _K(
                "credentials",
                '"/etc/dkimctl/cloudflare.toml"',
                'A file of mode 0600 with the secrets: auth_token = "…".',
            ),
            _K("text_limit", "255", "The longest TXT that the service stores; longer records are refused, never cut."),
            _K("minimum_ttl", "300", "The shortest TTL that the service accepts, in seconds."),
            _K(
                "text_form",
                '"plain"',
                'How long texts are sent: "plain", "quoted" ("aaa" "bbb") or "inner" (aaa" "bbb).',
            ),
        ),
    ),
    DOMAIN,
)
"""Every table and key, in the order of the manual page."""
