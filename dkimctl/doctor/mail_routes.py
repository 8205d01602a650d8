"""Routes of mail: each Postfix instance with the daemon's socket, its smtpd services and content filters."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from dkimctl.doctor.commands import chain
from dkimctl.errors import shell_word
from dkimctl.host.daemonnames import signing_macro
from dkimctl.host.internal_hosts import HostList
from dkimctl.host.postfix import PostfixInstance, Service
from dkimctl.host.socketplace import leads_to
from dkimctl.host.world import World
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.postfix.lists import list_items
from dkimctl.postfix.milters import postfix_spelling, split_milters
from dkimctl.signers.registry import signer_of

LISTS = ("smtpd_milters", "non_smtpd_milters")
_LOCAL = "127.0.0.1"
_ADDRESS = re.compile(r"(?:^|:)\[?([\d.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\]?:\w+$")


@dataclass(frozen=True, slots=True)
class MailRoute:
    """One Postfix instance and the daemon's socket: which services sign, and where content filters return mail."""

    world: World
    instance: PostfixInstance
    socket: MilterSocket

    def is_daemon(self, milter: str) -> bool:
        """Return whether a milter of the list is the daemon."""
        return leads_to(milter, self.socket, self.instance.queue)

    def includes_daemon(self, value: str) -> bool:
        """Return whether the daemon is in a list of milters."""
        return any(self.is_daemon(milter) for milter in split_milters(value))

    @property
    def spelling(self) -> str:
        """The daemon's socket in the syntax of main.cf."""
        return postfix_spelling(self.socket, self.instance.queue)

    @property
    def postconf(self) -> str:
        """The postconf command for this instance."""
        return f"postconf -c {shell_word(self.world.shown(self.instance.directory))}"

    def set_milters(self, name: str, milters: Iterable[str]) -> str:
        """Return the command that sets a list of milters, and the other list too where both are the same now."""
        values, milters = self.instance.values, tuple(milters)
        settings = [f"{name} = {', '.join(milters)}"]
        others = [milter for milter in milters if not self.is_daemon(milter)]
        if name == LISTS[0] and values[LISTS[0]] == values[LISTS[1]]:
            is_safe = not any(map(self.would_sign_outside_mail, self.smtpd_services()))
            settings.append(f"non_smtpd_milters = {'$smtpd_milters' if is_safe else ', '.join(others)}")
        quiet = self.quiet_returns(others) if name == LISTS[0] else ""
        return chain(quiet, f"{self.postconf} -e {' '.join(map(shell_word, settings))}")

    def quiet_returns(self, others: Iterable[str]) -> str:
        """Return the command that gives the services where mail from outside returns a list of their own: `others`.

        It runs before main.cf lets the daemon sign, which those services would inherit; empty when there are none.
        """
        name = LISTS[0]
        filtered = [s for s in self.smtpd_services() if self.may_return_outside_mail(s) and not self.is_piped(s)]
        back = {s.place: s for smtpd in filtered for s in self.return_services(smtpd) if not self.signs(s)}
        open_ones = [place for place, service in back.items() if name not in service.overrides]
        settings = [f"{place}/{name}={','.join(map(_compact, others))}" for place in open_ones]
        return f"{self.postconf} -P {' '.join(map(shell_word, settings))}" if settings else ""

    def without_no_milters(self, service: Service) -> str:
        """Return a service's receive_override_options without `no_milters`, for `postconf -P`."""
        options = list_items(self.instance.effective(service, "receive_override_options"))
        return f"{service.place}/receive_override_options={','.join(o for o in options if o != 'no_milters')}"

    def without_daemon(self, service: Service) -> str:
        """Return the setting of a service, for `postconf -P`, with which only the other milters are asked."""
        others = (m for m in split_milters(self.instance.effective(service, LISTS[0])) if not self.is_daemon(m))
        return f"{service.place}/{LISTS[0]}={','.join(map(_compact, others))}"

    @property
    def main_cf(self) -> str:
        """The path of main.cf."""
        return f"{self.instance.directory}/main.cf"

    def smtpd_services(self) -> list[Service]:
        """Return the smtpd services that accept mail from other hosts."""
        # postscreen accepts connections at port 25 and passes them to a service of type `pass`
        found = list(self.instance.services_of("smtpd"))
        back = {_port(self.filter_of(service)) + 1 for service in found if self.filter_of(service)}
        taken = [s for s in found if s.is_loopback or (_port(s.name) in back and not s.is_submission)]
        return [s for s in found if s.kind == "pass" or (s.kind == "inet" and s not in taken)]

    def filter_of(self, service: Service) -> str:
        """Return the content filter of a service, before-queue or after-queue; empty for none.

        A FILTER in one of its tables, which gets some of the mail, comes before the content_filter for all of it.
        """
        effective = self.instance.effective
        proxy = effective(service, "smtpd_proxy_filter")
        return proxy or self.instance.filter_action(service) or effective(service, "content_filter")

    def filter_setting(self, service: Service) -> str:
        """Return the filter of a service as a person finds it in the configuration."""
        if self.instance.effective(service, "smtpd_proxy_filter"):
            return f"smtpd_proxy_filter={self.filter_of(service)}"
        if self.instance.filter_action(service):
            return f"FILTER {self.filter_of(service)} in a table"
        return f"content_filter={self.filter_of(service)}"

    def signs(self, service: Service) -> bool:
        """Return whether the daemon signs mail that the service accepts."""
        if "no_milters" in self.instance.effective(service, "receive_override_options"):
            return False
        return self.includes_daemon(self.instance.effective(service, "smtpd_milters"))

    def is_trusted_on_return(self, service: Service) -> bool:
        """Return whether the daemon takes what the filter of a service returns for internal, and so signs it."""
        internal = self.world.internal_hosts
        address = _filter_host(self.filter_of(service))
        name = "localhost" if ip_address(address).is_loopback else "unknown"
        if any(signing_macro(self.world, self.instance, back) for back in self.return_services(service)):
            return True
        return not internal.is_known or HostList(internal).has(address, name)

    def may_return_outside_mail(self, service: Service) -> bool:
        """Return whether mail from outside goes through the filter of a service and returns as internal."""
        return (
            bool(self.filter_of(service))
            and self.instance.accepts_unknown_clients(service)
            and self.is_trusted_on_return(service)
        )

    def signs_outside_mail(self, service: Service) -> bool:
        """Return whether mail from outside goes through the filter of a service and is signed on its return."""
        return self.may_return_outside_mail(service) and self.is_signed_on_return(service)

    def would_sign_outside_mail(self, service: Service) -> bool:
        """Return True when mail from outside returns by sendmail(1), so that non_smtpd_milters would have it signed."""
        return self.is_piped(service) and self.may_return_outside_mail(service)

    @property
    def signs_submissions(self) -> bool:
        """Return whether submitted mail is signed, there or on its return from a filter: others then need not be."""
        own = (s for s in self.smtpd_services() if s.is_submission or not self.instance.accepts_unknown_clients(s))
        return any(self.signs(s) or (self.filter_of(s) and self.is_signed_on_return(s)) for s in own)

    def is_inbound(self, service: Service) -> bool:
        """Return True for a service that only accepts mail from outside, while another one signs submitted mail."""
        return not service.is_submission and self.instance.accepts_unknown_clients(service) and self.signs_submissions

    def is_piped(self, service: Service) -> bool:
        """Return whether the content filter is a program that returns mail with sendmail(1)."""
        transport = self.filter_of(service).partition(":")[0]
        return not self.return_services(service) and any(s.name == transport for s in self.instance.services_of("pipe"))

    @property
    def local_filter(self) -> str:
        """The content filter that gets mail from sendmail(1); empty for none."""
        pickup = next(self.instance.services_of("pickup"), None)
        values = self.instance.values
        return self.instance.effective(pickup, "content_filter") if pickup else values["content_filter"]

    @property
    def signs_local_on_return(self) -> bool:
        """Return whether mail from sendmail(1) goes through a filter, and is signed on its return."""
        return bool(self.local_filter) and any(map(self.signs, self.return_services()))

    def return_services(self, service: Service | None = None) -> list[Service]:
        """Return the services at which mail may return from the filter of a service, or of pickup.

        Only the filter knows where. The next port after its own is taken for its return port, as in Postfix's and
        amavis' guides, and for nobody else's.
        """
        own = self.filter_of(service) if service else self.local_filter
        accepting = self.smtpd_services()
        found = (s for s in self.instance.services_of("smtpd") if s.kind == "inet" and s != service)
        back = [s for s in found if s not in accepting]
        others = {self.filter_of(s) for s in accepting} | {self.local_filter}
        beside = [s for s in back if _port(s.name) == _port(own) + 1]
        taken = {_port(other) + 1 for other in others if other and other != own}
        return beside or [s for s in back if _port(s.name) not in taken] or back

    def is_return_certain(self, service: Service) -> bool:
        """Return whether the mail returns at a service that signs, and not perhaps at one that does not."""
        return self.is_piped(service) or all(map(self.signs, self.return_services(service)))

    def is_signed_on_return(self, service: Service) -> bool:
        """Return whether the daemon signs mail on its return from the filter of a service."""
        if self.is_piped(service):
            pickups = self.instance.services_of("pickup")
            closed = any("no_milters" in self.instance.effective(p, "receive_override_options") for p in pickups)
            return not closed and self.includes_daemon(self.instance.values["non_smtpd_milters"])
        return any(map(self.signs, self.return_services(service)))


def _port(place: str) -> int:
    """Return the port at the end of a service's name or of a filter's place; -1 when it is none or has a name."""
    port = place.rpartition(":")[2]
    return int(port) if port.isdecimal() else -1


def _filter_host(place: str) -> str:
    """Return the address of a filter, `scan:[192.0.2.9]:10024`; that of this machine when it is none or has a name."""
    found = _ADDRESS.search(place)
    try:
        return str(ip_address(found[1])) if found else _LOCAL
    except ValueError:
        return _LOCAL


def _compact(milter: str) -> str:
    """Return a milter with its own settings, `{ PLACE, name = value }`, without blanks: `postconf -P` accepts none."""
    if not milter.startswith("{"):
        return milter
    return "{" + ",".join(list_items(re.sub(r"\s*=\s*", "=", milter.strip("{} \t")))) + "}"


def mail_routes(world: World) -> Iterator[MailRoute]:
    """Yield each instance with the daemon's socket; nothing when the daemon has no socket."""
    socket = signer_of(world.settings).listens_at(world.settings)
    if socket is not None:
        yield from (MailRoute(world, instance, socket) for instance in world.postfix)
