"""Every file, directory and link that a command run as root writes, reads, or changes owner or mode of.

`tests/test_files_matrix.py` traces all these commands and compares, and attacks each of them in every way.
"""

from typing import NamedTuple

SELECTOR = "s1"
COMMANDS: dict[str, tuple[str, ...]] = {
    "genkey": ("genkey", "example.net", "-s", SELECTOR),
    "genkey again": ("genkey", "example.com", "--if-missing", "-s", SELECTOR),
    "genkey more": ("genkey", "example.org", "-s", SELECTOR),
    "genkey -D": ("genkey", "example.net", "-D", "/srv/flat", "-s", "x"),
    "record": ("record",),
    "status": ("status",),
    "render-config": ("render-config",),
    "install": ("render-config", "--install", "--allow-unproven"),
    "install rspamd": ("render-config", "--signer", "rspamd", "--install", "--allow-unproven"),
    "install dkimpy": ("render-config", "--signer", "dkimpy-milter", "--install", "--allow-unproven"),
    "output": ("render-config", "--output", "/srv/out"),
    "publish": ("publish", "example.com", "--provider", "zonefile:/srv/zones/example.com.zone", "--no-wait"),
    "resume": ("verify-dns", "--from-file", "/srv/names", "--nameserver", "127.0.0.1:9", "--resume", "/srv/notes"),
    "doctor": ("doctor", "--no-dns"),
    "doctor --fix": ("doctor", "--fix", "--no-dns"),
    "why": ("why", "a@example.com", "--no-dns"),
    "inspect": ("inspect", "/srv/mail"),
    "sandbox": ("sandbox", "--log", "/srv/calls"),
    "login": ("ovh", "login", "domain.tld", "--credentials", "/srv/ovh.conf", "--timeout", "5"),
    "setup": ("setup", "domain.tld", "-s", SELECTOR, "--provider", "ovh", "--timeout", "20"),
    "selftest": ("selftest", "example.com", "--via", "smtp"),
    "demo": ("demo",),
    "adopt": ("adopt", "--install"),
    "undo": ("adopt", "--undo"),
    "rotate": ("rotate", "--now", "example.com"),
    "revoke": ("revoke", "example.com", SELECTOR, "--leaked", "key", "--now", "--timeout", "1"),
    "delete": ("delete", "example.org", SELECTOR),
    "hold": ("hold", "example.com"),
    "release": ("resume", "example.com"),
    "init": ("init",),
    "init --uninstall": ("init", "--uninstall"),
    "undo install": ("render-config", "--undo"),
    "uninstall": ("uninstall",),
    "fleet init": ("fleet", "init"),
    "fleet upgrade": ("fleet", "upgrade"),
    "fleet import": ("fleet", "import"),
    "fleet export": ("fleet", "export", "--output", "/srv/exported"),
    "fleet approve": ("fleet", "approve", "mx1"),
    "fleet status": ("fleet", "status"),
    "fleet join": ("fleet", "join", "mx1"),
    "fleet sync": ("fleet", "sync"),
    "fleet sync again": ("fleet", "sync"),
    "fleet drain": ("fleet", "drain", "mx1"),
    "fleet remove": ("fleet", "remove", "mx1"),
}
"""What is run, by a short name. `fleet simulate` works in databases of its own, and with no file."""


class Row(NamedTuple):
    """One path, with `*` for a part that changes and `**` for all below."""

    path: str
    is_directory: bool
    commands: tuple[str, ...]
    """Those that are run against each attack on it; none for what is root's alone and read by every program."""


def _file(path: str, *commands: str) -> Row:
    return Row(path, False, commands)


def _directory(path: str, *commands: str) -> Row:
    return Row(path, True, commands)


KEYS = "/etc/opendkim/keys"
HAND = f"{KEYS}/mail"
"""A key of an installation made by hand, which adopt takes over; without its suffix."""
_FLEET = (
    _directory("/etc/dkimctl", "fleet init", "fleet join"),
    _file("/etc/dkimctl/dkimctl.toml", "fleet sync"),
    _file("/etc/dkimctl/fleet.age", "fleet init", "fleet import"),
    _file("/etc/dkimctl/relay.age", "fleet join", "fleet sync"),
    _directory(KEYS, "fleet sync", "fleet import"),
    _directory(f"{KEYS}/example.com", "fleet sync", "fleet sync again", "fleet import"),
    *(_file(f"{KEYS}/example.com/{SELECTOR}.{kind}", "fleet sync", "fleet import") for kind in ("private", "json")),
    _file(f"{KEYS}/example.com/{SELECTOR}.txt", "fleet sync"),
    *(_file(f"/etc/opendkim/{name}", "fleet sync") for name in ("KeyTable", ".lock")),
    _directory("/var/lib/dkimctl", "fleet sync"),
    *(_file(f"/var/lib/dkimctl/{name}", "fleet sync again") for name in ("fleet.json", "fleet-tables.json", ".lock")),
    _directory("/srv/exported", "fleet export"),
    _directory("/srv/exported/example.com", "fleet export"),
    *(_file(f"/srv/exported/example.com/{SELECTOR}.{kind}", "fleet export") for kind in ("private", "json", "txt")),
    _file("/srv/exported/example.com/.lock", "fleet export"),
)
"""What the commands of a fleet touch."""
TABLE: tuple[Row, ...] = (
    _file("/etc/dkimctl/dkimctl.toml", "record"),
    _directory("/etc/dkimctl", "record"),
    _directory("/etc/opendkim", "genkey", "install"),
    _directory(KEYS, "genkey", "record"),
    _directory(f"{KEYS}/example.com", "genkey again", "publish", "rotate", "hold"),
    _directory(f"{KEYS}/example.net", "genkey"),
    _file(f"{KEYS}/example.com/{SELECTOR}.private", "record", "genkey again", "install rspamd", "doctor --fix"),
    _file(f"{KEYS}/example.com/{SELECTOR}.json", "record", "publish", "rotate", "revoke", "hold"),
    _file(f"{KEYS}/example.com/{SELECTOR}.txt", "genkey again", "adopt"),
    _file(f"{KEYS}/example.com/.lock", "publish"),
    _file(f"{KEYS}/example.net/{SELECTOR}.private", "genkey"),
    _file(f"{KEYS}/example.net/{SELECTOR}.json", "genkey"),
    _file(f"{KEYS}/example.net/{SELECTOR}.txt", "genkey"),
    _file(f"{KEYS}/example.net/.lock", "genkey"),
    _file("/etc/opendkim/.lock", "install"),
    _file("/etc/opendkim.conf", "install", "doctor", "undo install", "uninstall"),
    _file("/etc/opendkim/KeyTable", "install", "doctor --fix", "undo install", "uninstall"),
    _file("/etc/opendkim/SigningTable", "install", "doctor --fix"),
    _file("/etc/opendkim/TrustedHosts", "install"),
    _file("/etc/opendkim/dkimctl.conf", "install"),
    _directory("/etc/postfix", "install"),
    _file("/etc/postfix/main.cf", "install", "doctor", "undo install", "uninstall"),
    _file("/etc/postfix/main.cf.tmp", "install"),
    _file("/etc/postfix/master.cf", "install", "doctor"),
    _directory("/var/spool/postfix/opendkim", "install", "doctor --fix"),
    _directory("/etc/tmpfiles.d", "install"),
    _file("/etc/tmpfiles.d/dkimctl.conf", "install", "undo install", "uninstall"),
    _directory("/var/backups/dkimctl", "install"),
    _file("/var/backups/dkimctl/adopted.json", "undo"),
    _file("/var/backups/dkimctl/installed.json", "install", "undo install"),
    _directory("/run/dkimctl", "install"),
    _directory("/var/lib/dkimctl", "install rspamd"),
    _directory("/var/lib/dkimctl/rspamd", "install rspamd"),
    _file(f"/var/lib/dkimctl/rspamd/{SELECTOR}._domainkey.example.com.key", "install rspamd"),
    _directory("/var/lib/rspamd/dkimctl", "install rspamd"),
    _directory("/etc/rspamd/dkimctl", "install rspamd"),
    _directory("/etc/rspamd/local.d", "install rspamd"),
    _file("/etc/rspamd/local.d/dkim_signing.conf", "install rspamd"),
    _file("/etc/rspamd/local.d/worker-proxy.inc", "install rspamd"),
    _file("/etc/rspamd/dkimctl/dkim_signing.conf", "install rspamd"),
    _file("/etc/rspamd/dkimctl/worker-proxy.inc", "install rspamd"),
    _file("/etc/rspamd/dkimctl/sign_networks.map", "install rspamd"),
    _directory("/etc/dkimpy-milter", "install dkimpy"),
    _directory("/etc/dkimpy-milter/keys", "install dkimpy"),
    _file("/etc/dkimpy-milter/dkimpy-milter.conf", "install dkimpy"),
    _file("/etc/dkimpy-milter/KeyTable", "install dkimpy"),
    _file("/etc/dkimpy-milter/KeyTableEd25519", "install dkimpy"),
    _file("/etc/dkimpy-milter/SigningTable", "install dkimpy"),
    _directory("/var/spool/postfix/dkimpy-milter", "install dkimpy"),
    _directory("/srv/flat", "genkey -D"),
    _file("/srv/flat/x.private", "genkey -D"),
    _file("/srv/flat/x.txt", "genkey -D"),
    _directory("/srv/out", "output"),
    _directory("/srv/out/etc", "output"),
    _file("/srv/out/etc/opendkim.conf", "output"),
    _directory("/srv/zones", "publish"),
    _file("/srv/zones/example.com.zone", "publish", "revoke"),
    _file("/srv/zones/example.com.zone.bak", "publish"),
    _file("/srv/zones/example.com.zone.jnl", "publish"),
    _file("/run/opendkim/opendkim.pid", "install", "doctor"),
    _file(f"{HAND}.private", "adopt", "undo"),
    _file(f"{HAND}.txt", "adopt", "undo"),
    _directory(f"{KEYS}/domain.tld", "setup", "adopt", "undo"),
    *(_file(f"{KEYS}/domain.tld/{SELECTOR}.{kind}", "setup") for kind in ("private", "txt", "json")),
    _file(f"{KEYS}/domain.tld/.lock", "setup"),
    _file(f"{KEYS}/domain.tld/mail.json", "adopt", "undo"),
    _file(f"{HAND}.json", "adopt"),
    _directory("/etc/dkimctl/hooks", "init", "rotate"),
    *(_directory(f"/etc/dkimctl/hooks/{stage}.d", "init", "rotate") for stage in ("pre", "deploy", "post")),
    _file("/etc/dkimctl/hooks/README", "init", "init --uninstall"),
    _file("/var/lib/dkimctl/.lock", "rotate", "revoke"),
    _file("/var/lib/dkimctl/rotate.json", "rotate"),
    _file("/var/lib/dkimctl/init.json", "init", "init --uninstall"),
    _file("/srv/mail", "inspect"),
    _file("/srv/calls", "sandbox"),
    _file("/srv/ovh.conf", "login"),
    _file("/srv/notes", "resume"),
    _file("/srv/names", "resume"),
    *_FLEET,
)
"""What is attacked."""

SYSTEM = (
    *("/", "/etc", "/run", "/srv", "/var", "/var/backups", "/var/lib", "/var/run", "/var/spool", "/var/spool/postfix"),
    *("/bin**", "/dev**", "/home**", "/lib**", "/opt**", "/proc**", "/root**", "/sbin**", "/sys**", "/tmp**", "/usr**"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/hosts", "/etc/resolv.conf"),
    *("/etc/ld.so.*", "/etc/locale.alias", "/etc/localtime", "/etc/ssl**", "/etc/gai.conf", "/etc/services"),
    *("/etc/cron*", "/etc/cron*/*", "/etc/default/opendkim", "/etc/systemd**", "/run/systemd**", "/run/tmpfiles.d**"),
    *("/run/host**", "/run/userdb**", "/etc/userdb**", "/var/lib/dpkg/status"),
    *("/etc/bind**", "/etc/knot**", "/etc/nsd**"),
    *("/etc/ovh.conf", "/etc/dkimctl/ovh.conf"),
    *("/etc/postgresql-common**", "/etc/machine-id", f"{KEYS}/example.org**", "/srv/exported/example.org**"),
    f"{KEYS}/domain.tld/dk*.private",  # setup looks whether the month's selector is taken
    *(
        "/etc/rspamd",
        "/etc/rspamd/*",
        "/etc/rspamd/*/*",
        "/etc/rspamd/*/*/*",
        "/run/rspamd/*",
        "/run/dkimpy-milter/*",
        "/run/opendkim",
    ),
    *(
        "/var/run/opendkim/opendkim.pid",
        "/var/spool/postfix/pid/master.pid",  # whether Postfix was reloaded
        "/etc/tmpfiles.d/*",
        "/etc/opendkim/keys/example.*",
        "/etc/opendkim/keys/example.*/*",
    ),
    *("/var/lib/rspamd", f"/var/lib/dkimctl/rspamd/{SELECTOR}._domainkey.example.*.key"),
    *("/run/dkimctl/**", "/srv/out/**", "/var/backups/dkimctl/**", "/var/spool/postfix/*/*.sock"),
)
"""What only root can change and every program looks at; what is like a row above; what a command makes below a row."""
