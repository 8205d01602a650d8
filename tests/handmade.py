"""Installations made by hand or by other tools, each in a tree of its own, as their authors lay them out."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.host_tree import CONF_PATH, KEYS, OPENDKIM, SIGNING, Tree, key_pair
from tests.rendering import ARTICLE_CONF, ARTICLE_KEY_TABLE, ARTICLE_SIGNING_TABLE, ARTICLE_TRUSTED_HOSTS

COMMON = """\
UserID opendkim
UMask 002
Canonicalization relaxed/simple
Socket inet:8891@127.0.0.1
PidFile /var/run/opendkim/opendkim.pid
"""


def bare(root: Path) -> Tree:
    """A host with Postfix and nothing of opendkim."""
    tree = Tree(root)
    shutil.rmtree(tree.at("/etc/opendkim"))
    tree.at(CONF_PATH).unlink()
    return tree


def article(root: Path) -> Tree:
    """The article's, file by file, with the files that the real opendkim-genkey makes where it is installed."""
    tree = bare(root)
    tree.directory("/etc/opendkim/keys", 0o755)
    genkey = ["opendkim-genkey", "--subdomains", "-r", "-d", "domain.tld", "-D", tree.at("/etc/opendkim/keys")]
    if shutil.which("opendkim-genkey"):
        subprocess.run([*genkey, "--bits=2048", "--selector=mail"], check=True)
    else:
        flat_key(tree, "mail", "domain.tld")
    for name in ("mail.private", "mail.txt"):
        tree.change(f"/etc/opendkim/keys/{name}", 0o600, OPENDKIM)
    tree.write(CONF_PATH, ARTICLE_CONF)
    tree.write(KEYS, ARTICLE_KEY_TABLE)
    tree.write(SIGNING, ARTICLE_SIGNING_TABLE)
    tree.write("/etc/opendkim/TrustedHosts", ARTICLE_TRUSTED_HOSTS)
    tree.main("smtpd_milters", "inet:localhost:8891")
    tree.main("non_smtpd_milters", "")
    tree.main("milter_default_action", "accept")
    return tree


def flat_key(tree: Tree, selector: str, domain: str, directory: str = "/etc/opendkim/keys") -> str:
    """What opendkim-genkey leaves in one directory; returns the path of the private key."""
    path = f"{directory}/{selector}.private"
    record = f"v=DKIM1; h=sha256; k=rsa; s=email; p={key_pair().public.base64}"
    tree.key(path)
    text = f'{selector}._domainkey\tIN\tTXT\t( "{record}" )  ; ----- DKIM key {selector} for {domain}\n'
    tree.write(f"{directory}/{selector}.txt", text, 0o600, OPENDKIM)
    return path


def mail_in_a_box(root: Path) -> Tree:
    """Mail-in-a-Box: one key for all domains, outside /etc; a KeyTable row for each, and no sub-domains."""
    tree = bare(root)
    path = "/home/user-data/mail/dkim/mail.private"
    tree.key(path)
    for place in ("/home/user-data", "/home/user-data/mail", "/home/user-data/mail/dkim"):
        tree.change(place, 0o755, (0, 0))
    tree.change("/home/user-data/mail/dkim", 0o750, OPENDKIM)
    domains = ("box.example.com", "example.com", "example.org")
    tree.write(KEYS, "".join(f"{d} {d}:mail:{path}\n" for d in domains))
    tree.write(SIGNING, "".join(f"*@{d} {d}\n" for d in domains))
    tree.write("/etc/opendkim/TrustedHosts", "127.0.0.1\n")
    own = """\
Canonicalization relaxed/simple
MinimumKeyBits 1024
ExternalIgnoreList refile:/etc/opendkim/TrustedHosts
InternalHosts refile:/etc/opendkim/TrustedHosts
KeyTable refile:/etc/opendkim/KeyTable
SigningTable refile:/etc/opendkim/SigningTable
Socket inet:8891@127.0.0.1
RequireSafeKeys false
"""
    tree.write(CONF_PATH, f"Syslog yes\nUMask 007\nOversignHeaders From\nUserID opendkim\n{own}")
    return tree


def ansible(root: Path) -> Tree:
    """As Ansible roles do: `key.table` and `signing.table`, a directory for each domain, appended lines and remarks."""
    tree = bare(root)
    lines = []
    for domain in ("example.com", "example.org"):
        tree.directory(f"/etc/dkimkeys/{domain}", 0o700, OPENDKIM)
        tree.key(f"/etc/dkimkeys/{domain}/default.private")
        lines.append(f"default._domainkey.{domain}    {domain}:default:/etc/dkimkeys/{domain}/default.private\n")
    tree.write("/etc/opendkim/key.table", "# Ansible managed\n" + "".join(lines))
    tree.write(
        "/etc/opendkim/signing.table",
        "# Ansible managed\n"
        "*@example.com    default._domainkey.example.com\n"
        "*@example.org    default._domainkey.example.org\n"
        "news@lists.example.net default._domainkey.example.org\n",
    )
    tree.write("/etc/opendkim/trusted.hosts", "127.0.0.1\n::1\n192.0.2.0/24\n")
    tables = """\
KeyTable refile:/etc/opendkim/key.table
SigningTable refile:/etc/opendkim/signing.table
InternalHosts /etc/opendkim/trusted.hosts
"""
    tree.write(CONF_PATH, f"# Ansible managed\n{COMMON}Mode sv\nReportAddress postmaster@example.com\n{tables}")
    return tree


def plain_files(root: Path) -> Tree:
    """`file:` tables, one key shared by everything, exact users, and keys in the layout of dkimctl itself."""
    tree = bare(root)
    tree.directory("/etc/opendkim/keys/example.com", 0o700, OPENDKIM)
    tree.key("/etc/opendkim/keys/example.com/s1.private")
    tree.write(KEYS, "main example.com:s1:/etc/opendkim/keys/example.com/s1.private\n# spare\n")
    tree.write(SIGNING, "boss@example.org main\nexample.com main\n.example.com main\nexample.net main\n")
    conf = "KeyTable file:/etc/opendkim/KeyTable\nSigningTable file:/etc/opendkim/SigningTable\n"
    tree.write(CONF_PATH, COMMON + conf)
    return tree


def inline_lists(root: Path) -> Tree:
    """Both tables as lists in opendkim.conf itself, and `%` for the domain of the mail."""
    tree = bare(root)
    for domain in ("example.com", "example.org"):
        tree.directory(f"/etc/dkimkeys/{domain}", 0o700, OPENDKIM)
        tree.key(f"/etc/dkimkeys/{domain}/s1.private")
    lists = (
        "KeyTable csl:each=%:s1:/etc/dkimkeys/%/s1.private\n"
        "SigningTable csl:example.com=each,example.org=each,.example.org=each\n"
    )
    tree.write(CONF_PATH, COMMON + lists)
    return tree


def domain_and_key_file(root: Path) -> Tree:
    """No tables: `Domain`, `Selector` and `KeyFile`, as in the package's own example."""
    tree = bare(root)
    tree.directory("/etc/dkimkeys", 0o700, OPENDKIM)
    flat_key(tree, "2026", "example.com", "/etc/dkimkeys")
    simple = "Domain example.com,example.org\nSelector 2026\nKeyFile /etc/dkimkeys/2026.private\nSubDomains yes\n"
    tree.write(CONF_PATH, COMMON + simple)
    return tree


LAYOUTS: dict[str, Callable[[Path], Tree]] = {
    made.__name__: made for made in (article, mail_in_a_box, ansible, plain_files, inline_lists, domain_and_key_file)
}
