"""Broken opendkim.conf, host lists, and ways in which the daemon does not start."""

from tests.doctor_cases.base import BOM, EXEC, SOCK, Case, both, inet, no_tables
from tests.host_tree import (
    CONF_PATH,
    DROP_IN,
    HOSTS,
    KEY,
    KEYS,
)

CONF_CASES = [
    Case("only Domain", 4, "DKIM707", both(no_tables, lambda t: t.conf("Domain", "example.com"))),
    Case(
        "quotes and blanks in Domain",
        4,
        "DKIM720",
        both(
            no_tables,
            lambda t: t.conf("Domain", '"example.org example.com"'),
            lambda t: t.conf("KeyFile", KEY),
            lambda t: t.conf("Selector", "mail"),
        ),
    ),
    Case("inet with an IPv6 address", 4, "DKIM704", lambda t: t.conf("Socket", "inet:8891@::1")),
    Case("inet with an empty host", 4, "DKIM704", lambda t: t.conf("Socket", "inet:8891@")),
    Case(
        "a key on the command line together with tables",
        4,
        "DKIM734",
        lambda t: t.write(DROP_IN, f"{EXEC}-d example.com -k {KEY} -s mail\n"),
    ),
    Case("a read-only system", 5, "DKIM735", lambda t: t.write(DROP_IN, "[Service]\nProtectSystem=strict\n")),
    Case(
        "a key in a home that the unit hides",
        1,
        "DKIM735",
        both(
            lambda t: t.move_key("/home/alice/mail.private"), lambda t: t.write(DROP_IN, "[Service]\nProtectHome=yes\n")
        ),
    ),
    Case("two Sockets", 4, "DKIM710", lambda t: t.append(CONF_PATH, "SOCKET inet:8891@localhost\n")),
    Case("unknown parameter", 25, "DKIM702", lambda t: t.conf("OverSignHeader", "From")),
    Case("parameter of another build", 20, "DKIM733", lambda t: t.conf("CheckSigningTable", "yes")),
    Case("parameter without value", 25, "DKIM703", lambda t: t.conf("MinimumKeyBits", "")),
    Case("UMask 009", 25, "DKIM704", lambda t: t.conf("UMask", "009")),
    Case("Mode in capitals", 25, "DKIM704", lambda t: t.conf("Mode", "S")),
    Case("bad Canonicalization", 25, "DKIM704", lambda t: t.conf("Canonicalization", "loose")),
    Case("Include missing", 25, "DKIM705", lambda t: t.append(CONF_PATH, "Include /etc/opendkim/absent.conf\n")),
    Case(
        "opendkim.conf with a byte order mark",
        25,
        "DKIM706",
        lambda t: t.write(CONF_PATH, BOM + t.at(CONF_PATH).read_bytes()),
    ),
    Case("no opendkim.conf", 25, "DKIM701", lambda t: t.at(CONF_PATH).unlink()),
    Case("KeyTable alone", 7, "DKIM707", lambda t: t.conf("SigningTable", None)),
    Case("SigningTable alone", 7, "DKIM707", lambda t: t.conf("KeyTable", None)),
    Case("Selector without KeyFile", 7, "DKIM707", both(no_tables, lambda t: t.conf("Selector", "mail"))),
    Case("KeyTable mdb:", 7, "DKIM708", lambda t: t.conf("KeyTable", "mdb:/etc/opendkim/KeyTable")),
    Case("KeyTable file missing", 7, "DKIM709", lambda t: t.at(KEYS).unlink()),
    Case("UserID unknown", 2, "DKIM712", lambda t: t.conf("UserID", "dkim")),
    Case("UserID with an unknown group", 2, "DKIM712", lambda t: t.conf("UserID", "opendkim:dkim")),
    Case("no UserID", 2, "DKIM725", lambda t: t.conf("UserID", None)),
    Case("Mode v", 6, "DKIM720", lambda t: t.conf("Mode", "v")),
    Case("rsa-sha1", 17, "DKIM721", lambda t: t.conf("SignatureAlgorithm", "rsa-sha1")),
    Case("OmitHeaders From", 25, "DKIM718", lambda t: t.conf("OmitHeaders", "From")),
    Case("OmitHeaders Message-ID,Date", 25, "DKIM718", lambda t: t.conf("OmitHeaders", "Message-ID,Date")),
    Case("oversigned and not signed", 25, "DKIM719", lambda t: t.conf("OversignHeaders", "From,Message-ID")),
    Case("AutoRestart without a limit", 25, "DKIM716", lambda t: t.conf("AutoRestart", "yes")),
    Case("AutoRestartRate typo", 25, "DKIM717", lambda t: t.conf("AutoRestartRate", "10/hour")),
    Case("SignatureTTL of two days", 25, "DKIM736", lambda t: t.conf("SignatureTTL", "172800")),
    Case("LogWhy off", 9, "DKIM723", lambda t: t.conf("LogWhy", "no")),
]


REFILE_HOSTS = both(lambda t: t.conf("InternalHosts", f"refile:{HOSTS}"), lambda t: t.append(HOSTS, "*.example.com\n"))


HOST_CASES = [
    Case("this machine is a peer", 9, "DKIM781", lambda t: t.conf("PeerList", "127.0.0.0/8,192.0.2.1")),
    Case("this machine is left out", 9, "DKIM781", lambda t: t.write(HOSTS, "127.0.0.0/8\n::1\n!127.0.0.1\n")),
    Case(
        "an exempt domain that is to be signed", 9, "DKIM772", lambda t: t.conf("ExemptDomains", "a.test,example.com")
    ),
    Case("IPv6 loopback missing", 9, "DKIM781", lambda t: t.write(HOSTS, "127.0.0.1\n")),
    Case("the article's TrustedHosts", 9, "DKIM783", lambda t: t.write(HOSTS, "127.0.0.1\n0.0.0.0/0\n")),
    Case("the article's TrustedHosts over IPv6", 9, "DKIM781", lambda t: t.write(HOSTS, "127.0.0.1\n0.0.0.0/0\n")),
    Case("everybody over IPv6", 9, "DKIM783", lambda t: t.append(HOSTS, "::/0\n")),
    Case("network with host bits", 9, "DKIM782", lambda t: t.append(HOSTS, "203.0.113.9/24\n")),
    Case("network with a netmask", 9, "DKIM782", lambda t: t.append(HOSTS, "203.0.113.0/255.255.255.0\n")),
    Case("IPv6 network in a long spelling", 9, "DKIM782", lambda t: t.append(HOSTS, "2001:0db8::/32\n")),
    Case("wildcard host", 9, "DKIM782", lambda t: t.append(HOSTS, "*.example.com\n")),
    Case("wildcard host in a refile:", 9, "DKIM785", REFILE_HOSTS),
    Case(
        "inline list that begins with IPv6", 9, "DKIM708", lambda t: t.conf("InternalHosts", "2001:db8::/32,127.0.0.1")
    ),
    Case(
        "mynetworks wider than InternalHosts", 9, "DKIM784", lambda t: t.main("mynetworks", "127.0.0.0/8 192.0.2.0/24")
    ),
    Case(
        "MTA refile:",
        9,
        "DKIM708",
        both(lambda t: t.conf("MTA", "refile:/etc/opendkim/mta"), lambda t: t.write("/etc/opendkim/mta", "A\n")),
    ),
    Case("InternalHosts file missing", 9, "DKIM709", lambda t: t.at(HOSTS).unlink()),
]


START_CASES = [
    Case("drop-in with -p", 4, "DKIM713", lambda t: t.write(DROP_IN, f"{EXEC}-p inet:8891@localhost\n")),
    Case("drop-in with -p, seen from Postfix", 4, "DKIM805", lambda t: t.write(DROP_IN, f"{EXEC}-p local:{SOCK}2/s\n")),
    Case(
        "stale /etc/default", 4, "DKIM714", lambda t: t.write("/etc/default/opendkim", "SOCKET=inet:12301@localhost\n")
    ),
    Case("no Socket", 4, "DKIM711", lambda t: t.conf("Socket", None)),
    Case("Socket in Postfix's spelling", 4, "DKIM704", lambda t: t.conf("Socket", "inet:localhost:8891")),
    Case("PidFile elsewhere", 25, "DKIM715", lambda t: t.conf("PidFile", "/run/opendkim.pid")),
    Case("no PidFile", 25, "DKIM715", lambda t: t.conf("PidFile", None)),
    Case("socket below /run by hand", 3, "DKIM826", lambda t: t.conf("Socket", "local:/run/dkim/opendkim.sock")),
    Case("socket open to the network", 9, "DKIM827", lambda t: both(inet, lambda u: u.conf("Socket", "inet:8891"))(t)),
    Case("socket directory missing", 3, "DKIM807", lambda t: t.at(SOCK).rmdir()),
    Case("socket directory of root", 5, "DKIM807", lambda t: t.change(SOCK, 0o755, (0, 0))),
    Case("a file where the socket goes", 5, "DKIM824", lambda t: t.write(f"{SOCK}/opendkim.sock", "")),
    Case(
        "cron job with opendkim-testkey",
        24,
        "DKIM915",
        lambda t: t.write("/etc/cron.d/dkim", "@daily root opendkim-testkey\n"),
    ),
]
