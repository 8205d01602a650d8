"""Postfix as configured on this host: every instance, its milters, services and networks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.host.postfix_actions import HEADER_CHECKS, filter_actions
from dkimctl.postfix import postconf
from dkimctl.postfix.lists import list_items

NAMES = (
    *HEADER_CHECKS,
    "compatibility_level",
    "content_filter",
    "inet_interfaces",
    "inet_protocols",
    "internal_mail_filter_classes",
    "master_service_disable",
    "mail_owner",
    "maximal_queue_lifetime",
    "mail_version",
    "milter_default_action",
    "milter_connect_macros",
    "milter_data_macros",
    "milter_helo_macros",
    "milter_macro_daemon_name",
    "milter_macro_defaults",
    "milter_macro_v",
    "milter_mail_macros",
    "milter_protocol",
    "milter_rcpt_macros",
    "multi_instance_directories",
    "multi_instance_enable",
    "myhostname",
    "mynetworks",
    "non_smtpd_milters",
    "postscreen_upstream_proxy_protocol",
    "queue_directory",
    "receive_override_options",
    "smtp_body_checks",
    "smtp_generic_maps",
    "smtp_header_checks",
    "smtp_mime_header_checks",
    "smtp_nested_header_checks",
    "smtpd_client_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_milter_maps",
    "smtpd_milters",
    "smtpd_proxy_filter",
    "smtpd_recipient_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_restriction_classes",
    "smtpd_sasl_auth_enable",
    "smtpd_sender_restrictions",
    "smtpd_tls_security_level",
    "smtpd_upstream_proxy_protocol",
    "smtpd_use_tls",
)
NOT_READ = {
    "local_header_rewrite_clients": "rewriting before the milters",
    "milter_command_timeout": "how long Postfix waits",
    "milter_connect_timeout": "how long Postfix waits",
    "milter_content_timeout": "how long Postfix waits",
    "milter_end_of_data_macros": "too late: the daemon has decided",
    "milter_end_of_header_macros": "cleanup(8) sends them, which knows no login and no service's own name",
    "milter_header_checks": "for fields that milters add; a rule that drops DKIM-Signature is not looked for",
    "milter_unknown_command_macros": "the daemon needs none of them",
}
"""Parameters about milters whose values are not read, each with the reason."""
RESTRICTIONS = tuple(name for name in NAMES if name.endswith("_restrictions"))
"""The restriction lists that decide which clients' mail a service accepts."""
_PROXIED = ("smtpd_upstream_proxy_protocol", "postscreen_upstream_proxy_protocol")
_SUBMISSION = ("submission", "submissions", "smtps", "465", "587")


@dataclass(frozen=True, slots=True)
class Service:
    """One line of master.cf."""

    name: str
    kind: str
    """inet, unix, fifo or pass."""
    command: str
    """smtpd, cleanup, …"""
    is_chrooted: bool
    overrides: Mapping[str, str]
    """The `-o` settings of this service."""

    @property
    def place(self) -> str:
        """`smtp/inet`, as postconf -P names it."""
        return f"{self.name}/{self.kind}"

    @property
    def host(self) -> str:
        """Its own address in master.cf; empty where inet_interfaces decides."""
        return self.name.rpartition(":")[0]

    @property
    def is_loopback(self) -> bool:
        """Return whether its line says that only this machine can reach it: usually a content filter's return port."""
        return self.kind != "inet" or _is_loopback(self.host)

    @property
    def is_submission(self) -> bool:
        """Return True at the submission ports (RFC 6409, RFC 8314)."""
        return self.name.rpartition(":")[2] in _SUBMISSION


@dataclass(frozen=True, slots=True)
class PostfixInstance:
    """One main.cf with its master.cf."""

    directory: str
    """As Postfix sees it (without `--root`)."""
    values: Mapping[str, str]
    """The parameters in NAMES with macros expanded, defaults included."""
    services: tuple[Service, ...]
    filter_actions: Mapping[str, str]
    """The destination of FILTER by the value of a parameter whose tables have one."""

    @property
    def queue(self) -> str:
        """The queue directory: the `/` of chrooted services."""
        return self.values["queue_directory"].rstrip("/")

    def services_of(self, command: str) -> Iterator[Service]:
        """Yield the services that run this program."""
        return (service for service in self.services if service.command == command)

    def accepts_unknown_clients(self, service: Service) -> bool:
        """Return whether a service accepts mail from clients that are neither logged in nor known (usually port 25).

        A list of restrictions that ends in a plain `reject` accepts only the clients that it permits explicitly.
        """
        if not self.is_reachable(service):
            return False
        lists = (list_items(self.effective(service, name)) for name in RESTRICTIONS)
        return not any("reject" in words or "defer" in words for words in lists)

    def is_reachable(self, service: Service) -> bool:
        """Return whether other hosts can connect to a service, or to the postscreen or proxy that connects to it."""
        if any(self.values[name] for name in _PROXIED):
            return True
        postscreens = tuple(self.services_of("postscreen")) if service.kind == "pass" else ()
        listening = " ".join(s.host or self.values["inet_interfaces"] for s in postscreens or (service,))
        return not all(map(_is_loopback, list_items(listening)))

    def effective(self, service: Service, name: str) -> str:
        """Return a parameter as it applies to one service."""
        return service.overrides.get(name, self.values[name])

    def filter_action(self, service: Service) -> str:
        """Return where a FILTER in the tables of a service sends some of its mail; empty for none."""
        values = [self.effective(service, name) for name in RESTRICTIONS]
        if "no_header_body_checks" not in self.effective(service, "receive_override_options"):
            values += [self.values[name] for name in HEADER_CHECKS]  # cleanup(8) does these, for every service
        return next((self.filter_actions[value] for value in values if value in self.filter_actions), "")


def _is_loopback(interface: str) -> bool:
    """Return whether only this machine reaches an interface, in the spelling of inet_interfaces or master.cf."""
    host = interface.strip("[]")
    return host in ("loopback-only", "localhost", "::1") or host.startswith("127.")


def read_instances(settings: Settings) -> tuple[PostfixInstance, ...]:
    """Return every instance: the configured one, then those that it starts; none where Postfix is not configured.

    Raises Unavailable when postconf fails.
    """
    first = settings.paths.postfix_directory
    if not postconf.is_configured(settings.at(first)):
        return ()
    main = _read(first, settings)
    others = list_items(main.values["multi_instance_directories"])
    present = [other for other in others if postconf.is_configured(settings.at(other))]
    read = (_read(other, settings) for other in present)
    return (main, *(other for other in read if other.values["multi_instance_enable"] == "yes"))


def _read(directory: str, settings: Settings) -> PostfixInstance:
    path = settings.at(directory)
    values = postconf.read_settings(path, NAMES, expanded=True)
    level = values["compatibility_level"].partition(".")[0]
    chroot_default = not (level.isdecimal() and int(level) >= 1)
    off = list_items(values["master_service_disable"])
    services = (s for s in _services(path, chroot_default) if not {s.kind, s.place, s.place.replace("/", ".")} & {*off})
    read = tuple(services)
    looked_at = (*RESTRICTIONS, *HEADER_CHECKS)
    own = (service.overrides.get(name, "") for service in read for name in looked_at)
    classes = list_items(values["smtpd_restriction_classes"])
    restrictions = postconf.read_settings(path, classes, expanded=True) if classes else {}
    actions = filter_actions(settings, filter(None, (*(values[name] for name in looked_at), *own)), restrictions)
    return PostfixInstance(directory, values, read, actions)


def _services(path: Path, chroot_default: bool) -> Iterator[Service]:
    overrides = postconf.service_overrides(path)
    for name, kind, _, _, chroot, _, _, command in postconf.service_fields(path):
        own = {o.name: o.value for o in overrides if o.service == f"{name}/{kind}"}
        yield Service(name, kind, command.split()[0], chroot == "y" or (chroot == "-" and chroot_default), own)
