"""Routes of mail: each Postfix instance with the daemon's socket, its smtpd services and content filters."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dkimctl.errors import shell_word
from dkimctl.host.internal_hosts import HostList
from dkimctl.host.postfix import PostfixInstance, Service
from dkimctl.host.socketplace import leads_to
from dkimctl.host.world import World
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.postfix.milters import postfix_spelling, split_milters
from dkimctl.signers.registry import signer_of

LISTS = ("smtpd_milters", "non_smtpd_milters")


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
        values = self.instance.values
        setting = shell_word(f"{name} = {', '.join(milters)}")
        is_both = name == LISTS[0] and values[LISTS[0]] == values[LISTS[1]]
        return f"{self.postconf} -e {setting}" + (" 'non_smtpd_milters = $smtpd_milters'" if is_both else "")

    def without_no_milters(self, service: Service) -> str:
        """Return a service's receive_override_options without `no_milters`, for `postconf -P`."""
        options = self.instance.effective(service, "receive_override_options").replace(",", " ").split()
        return f"{service.place}/receive_override_options={','.join(o for o in options if o != 'no_milters')}"

    @property
    def main_cf(self) -> str:
        """The path of main.cf."""
        return f"{self.instance.directory}/main.cf"

    def smtpd_services(self) -> list[Service]:
        """Return the smtpd services that accept mail from other hosts."""
        # postscreen accepts connections at port 25 and passes them to a service of type `pass`
        found = self.instance.services_of("smtpd")
        return [s for s in found if s.kind == "pass" or (s.kind == "inet" and not s.is_loopback)]

    def filter_of(self, service: Service) -> str:
        """Return the content filter of a service, before-queue or after-queue; empty for none."""
        effective = self.instance.effective
        return effective(service, "smtpd_proxy_filter") or effective(service, "content_filter")

    def signs(self, service: Service) -> bool:
        """Return whether the daemon signs mail that the service accepts."""
        if "no_milters" in self.instance.effective(service, "receive_override_options"):
            return False
        return self.includes_daemon(self.instance.effective(service, "smtpd_milters"))

    @property
    def trusts_loopback(self) -> bool:
        """Return whether the daemon treats clients on this machine as internal, and so signs their mail."""
        internal = self.world.internal_hosts
        return not internal.is_known or HostList(internal).has("127.0.0.1", "localhost")

    def signs_outside_mail(self, service: Service) -> bool:
        """Return whether mail from outside goes through the filter of a service and is signed on its return."""
        return (
            bool(self.filter_of(service))
            and self.instance.accepts_unknown_clients(service)
            and self.is_signed_on_return(service)
            and self.trusts_loopback
        )

    def would_sign_outside_mail(self, service: Service) -> bool:
        """Return True when mail from outside returns by sendmail(1), so that non_smtpd_milters would have it signed."""
        return self.is_piped(service) and self.instance.accepts_unknown_clients(service) and self.trusts_loopback

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
        back = [s for s in self.instance.services_of("smtpd") if s.kind == "inet" and s.is_loopback and s != service]
        own = self.filter_of(service) if service else self.local_filter
        others = {self.filter_of(s) for s in self.smtpd_services()} | {self.local_filter}
        beside = [s for s in back if _port(s.name) == _port(own) + 1]
        taken = {_port(other) + 1 for other in others if other and other != own}
        return beside or [s for s in back if _port(s.name) not in taken] or back

    def is_return_certain(self, service: Service) -> bool:
        """Return whether the mail returns at a service that signs, and not perhaps at one that does not."""
        return self.is_piped(service) or all(map(self.signs, self.return_services(service)))

    def is_signed_on_return(self, service: Service) -> bool:
        """Return whether the daemon signs mail on its return from the filter of a service."""
        if self.is_piped(service):
            return self.includes_daemon(self.instance.values["non_smtpd_milters"])
        return any(map(self.signs, self.return_services(service)))


def _port(place: str) -> int:
    """Return the port at the end of a service's name or of a filter's place; -1 when it is none or has a name."""
    port = place.rpartition(":")[2]
    return int(port) if port.isdecimal() else -1


def mail_routes(world: World) -> Iterator[MailRoute]:
    """Yield each instance with the daemon's socket; nothing when the daemon has no socket."""
    socket = signer_of(world.settings).listens_at(world.settings)
    if socket is not None:
        yield from (MailRoute(world, instance, socket) for instance in world.postfix)
