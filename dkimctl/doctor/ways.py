"""The ways of mail: each Postfix instance with the daemon's socket, its doors, and its content filters."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dkimctl.errors import shell_word
from dkimctl.host.internal import HostList
from dkimctl.host.postfix import PostfixInstance, Service
from dkimctl.host.socketplace import leads_to
from dkimctl.host.world import World
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.postfix.milters import postfix_spelling, split_milters
from dkimctl.signers.registry import signer_of

LISTS = ("smtpd_milters", "non_smtpd_milters")


@dataclass(frozen=True, slots=True)
class Way:
    """One Postfix instance and the daemon's socket."""

    world: World
    instance: PostfixInstance
    socket: MilterSocket

    def is_ours(self, milter: str) -> bool:
        """True when a milter of the list is the daemon."""
        return leads_to(milter, self.socket, self.instance.queue)

    def asks(self, value: str) -> bool:
        """True when the daemon is in a list of milters."""
        return any(self.is_ours(milter) for milter in split_milters(value))

    @property
    def spelling(self) -> str:
        """The daemon as main.cf should name it."""
        return postfix_spelling(self.socket, self.instance.queue)

    @property
    def postconf(self) -> str:
        """The command that changes this instance."""
        return f"postconf -c {shell_word(self.world.shown(self.instance.directory))}"

    def listing(self, name: str, milters: Iterable[str]) -> str:
        """The command that sets a list of milters, and the other one with it where both are the same today."""
        values = self.instance.values
        setting = shell_word(f"{name} = {', '.join(milters)}")
        is_both = name == LISTS[0] and values[LISTS[0]] == values[LISTS[1]]
        return f"{self.postconf} -e {setting}" + (" 'non_smtpd_milters = $smtpd_milters'" if is_both else "")

    def admitting(self, service: Service) -> str:
        """The setting of a service without `no_milters`, for `postconf -P`: its other options stay."""
        options = self.instance.effective(service, "receive_override_options").replace(",", " ").split()
        return f"{service.place}/receive_override_options={','.join(o for o in options if o != 'no_milters')}"

    @property
    def main_cf(self) -> str:
        """The path of main.cf."""
        return f"{self.instance.directory}/main.cf"

    def doors(self) -> list[Service]:
        """The smtpd services that take mail from elsewhere."""
        # postscreen takes mail at port 25 and hands the connection over to a service of the kind `pass`
        found = self.instance.services_of("smtpd")
        return [s for s in found if s.kind == "pass" or (s.kind == "inet" and not s.is_loopback)]

    def filter_of(self, service: Service) -> str:
        """The content filter that gets the mail of a service, before the queue or after it; empty for none."""
        effective = self.instance.effective
        return effective(service, "smtpd_proxy_filter") or effective(service, "content_filter")

    def signs(self, service: Service) -> bool:
        """True when the daemon signs what a service takes."""
        if "no_milters" in self.instance.effective(service, "receive_override_options"):
            return False
        return self.asks(self.instance.effective(service, "smtpd_milters"))

    @property
    def trusts_loopback(self) -> bool:
        """True when the daemon takes a client on this machine for internal, and so signs its mail."""
        internal = self.world.internal_hosts
        return not internal.is_known or HostList(internal).has("127.0.0.1", "localhost")

    def lets_strangers_sign(self, service: Service) -> bool:
        """True when strangers' mail goes through the filter of a service and is signed where it comes back."""
        return (
            bool(self.filter_of(service))
            and self.instance.accepts_unknown_clients(service)
            and self.is_signed_on_return(service)
            and self.trusts_loopback
        )

    @property
    def signs_submissions(self) -> bool:
        """True when a service for users' own mail signs: other services then need not."""
        own = (s for s in self.doors() if s.is_submission or not self.instance.accepts_unknown_clients(s))
        return any(map(self.signs, own))

    def is_inbound(self, service: Service) -> bool:
        """True for a service that takes strangers' mail, and no users' mail, beside one that signs users' mail."""
        return not service.is_submission and self.instance.accepts_unknown_clients(service) and self.signs_submissions

    def is_piped(self, service: Service) -> bool:
        """True when its content filter is a program, which hands the mail to sendmail(1) afterwards."""
        transport = self.filter_of(service).partition(":")[0]
        return not self.returns(service) and any(s.name == transport for s in self.instance.services_of("pipe"))

    @property
    def local_filter(self) -> str:
        """The content filter that gets mail from sendmail(1); empty for none."""
        pickup = next(self.instance.services_of("pickup"), None)
        values = self.instance.values
        return self.instance.effective(pickup, "content_filter") if pickup else values["content_filter"]

    @property
    def signs_local_on_return(self) -> bool:
        """True when mail from sendmail(1) goes through a filter, and the daemon signs what comes back."""
        return bool(self.local_filter) and any(map(self.signs, self.returns()))

    def returns(self, service: Service | None = None) -> list[Service]:
        """The services at which mail may come back from the filter of a service, or of pickup."""
        back = [s for s in self.instance.services_of("smtpd") if s.kind == "inet" and s.is_loopback]
        return [s for s in back if s != service]

    def is_signed_on_return(self, service: Service) -> bool:
        """True when the daemon signs what comes back from the filter of a service."""
        if self.is_piped(service):
            return self.asks(self.instance.values["non_smtpd_milters"])
        return any(map(self.signs, self.returns(service)))


def ways(world: World) -> Iterator[Way]:
    """Each instance with the daemon's socket; none when the daemon has no socket."""
    socket = signer_of(world.settings).listens_at(world.settings)
    if socket is not None:
        yield from (Way(world, instance, socket) for instance in world.postfix)
