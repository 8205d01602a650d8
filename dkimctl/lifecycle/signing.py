"""The end of a setup: the daemons configured, and the first signatures verified with the keys from DNS."""

from collections.abc import Iterator, Sequence

from dkimctl.config.settings import Lookup, Settings
from dkimctl.errors import CheckFailed, DkimctlError, Refused, Unavailable
from dkimctl.host.daemon import Step as Way
from dkimctl.host.daemon import TakenUp
from dkimctl.host.switch import NotTakenUp, Switched, switch_back, switch_to
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key
from dkimctl.lifecycle.maysign import MaySign, Name, installed_keys
from dkimctl.lifecycle.steps import Site, State, Step, failed
from dkimctl.names import split_owner_name
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.probe.signature import FindRecord
from dkimctl.probe.signing import probe
from dkimctl.probe.wire import NobodyListens
from dkimctl.render.base import Rendering, SigningKey
from dkimctl.render.desired import desired
from dkimctl.verify.check import check
from dkimctl.verify.report import Target, Verdict

_TO_RELOAD = 2.0  # seconds: the daemon takes a reload up at its next connection, or at the one after
_TO_START = 10.0  # seconds until a daemon that was restarted listens
_PAUSE = 0.2
_BELOW = "probe"  # the label below a domain from which its sub-domains are probed
_MEANWHILE = {
    "tempfail": "keeps mail waiting",
    "accept": "sends mail unsigned",
    "reject": "rejects mail",
    "quarantine": "holds mail",
}


def start_signing(site: Site, keys: Sequence[Key]) -> None:
    """Have the daemons sign with these keys, which DNS was seen to serve, and prove each by a signature.

    A new key whose signature does not verify is taken out again; the others go on. Where no daemon runs, the last step
    says what to type. Raises DkimctlError when the configuration cannot be put in place, or not be taken back.
    """
    before = installed_keys(site.settings)
    rejected: frozenset[Name] = frozenset()
    while keys:
        rendering = desired(site.settings, MaySign(site.store, before, without=rejected))
        keys = _those_that_sign(site, keys, rendering)
        if not keys:
            return
        switched = _switch(site, rendering)
        if not (switched and switched.daemon and switched.daemon.done):
            return
        wrong = _prove(site, keys, rendering)
        spoilt = frozenset(name for name in wrong if name not in before)
        right = [key for key in keys if _name(key) not in wrong]
        if not spoilt or switched.installed.changed.is_empty:  # nothing that this run could take back
            for key in right:
                _activate(site, key)
            return
        _take_back(site, switched)
        rejected |= spoilt
        keys = right


def _name(key: Key | SigningKey) -> Name:
    return key.domain, key.selector


def _those_that_sign(site: Site, keys: Sequence[Key], rendering: Rendering) -> list[Key]:
    """The keys that the rendering uses; of the others it is told that they are not."""
    used = {_name(key) for key in rendering.keys}
    for key in keys:
        if _name(key) not in used:
            other = next((k.selector for k in rendering.keys if k.domain == key.domain), None)
            why = f"{other} signs for it" if other else "opendkim cannot use it beside the other keys"
            error = Refused(
                f"{key.selector} is not used: {why}", hint="see the warnings above, and: dkimctl render-config"
            )
            site.tell(failed("config", error, key.domain))
    return [key for key in keys if _name(key) in used]


# --- the daemons


def _switch(site: Site, rendering: Rendering) -> Switched | None:
    """Install the rendering and tell what the daemons do; None when it had to be taken back."""
    for notice in rendering.notices:
        if not notice.blocking:  # a blocking one is the error of the installation
            site.tell(Step("config", State.WARNING, notice.message, hint=notice.hint))
    try:
        switched = switch_to(rendering, site.settings, clock=site.clock)
    except NotTakenUp as error:
        site.tell(failed("opendkim", error))
        _take_back(site, error.switched)
        return None
    site.tell(_configuration(switched))
    if switched.postfix:
        site.tell(_taken_up("Postfix", switched.postfix))
    if switched.daemon is None:
        site.tell(Step("opendkim", State.TODO, "no daemon belongs to a staging tree", hint="run it on the host itself"))
    elif switched.daemon.done:
        site.tell(_taken_up("opendkim", switched.daemon))
    else:
        site.tell(_waiting_for_daemon(switched.daemon, rendering, site.settings))
    return switched


def _configuration(switched: Switched) -> Step:
    changed = switched.installed.changed
    if changed.is_empty:
        return Step("config", State.ALREADY, "opendkim and Postfix are told to sign with it")
    details = [directory.path for directory in changed.directories] + [file.path for file in changed.files]
    details += [f"main.cf: {change.name} = {change.wanted}" for change in changed.postfix]
    if switched.installed.backup:
        details.append(f"what was there before: {switched.installed.backup}")
    return Step("config", State.DONE, switched.dry_run, details=tuple(details))


def _taken_up(name: str, taken: TakenUp) -> Step:
    state = State.TODO if not taken.done else State.ALREADY if taken.step is Way.NONE else State.DONE
    return Step(name, state, taken.message, hint=taken.hint)


def _waiting_for_daemon(taken: TakenUp, rendering: Rendering, settings: Settings) -> Step:
    proof = taken.message
    if rendering.postfix:
        proof += f"; until then Postfix {_MEANWHILE[settings.signing.milter_default_action]}"
    return Step("opendkim", State.TODO, proof, hint=f"{taken.hint}, then this command again: it goes on with the proof")


def _take_back(site: Site, switched: Switched) -> None:
    if switched.installed.changed.is_empty:
        return
    told = switch_back(switched, site.settings)
    site.tell(
        Step(
            "config",
            State.DONE,
            "put back as it was before, because of what failed above",
            details=tuple(taken.message for taken in told),
        )
    )


# --- the proof


def _prove(site: Site, keys: Sequence[Key], rendering: Rendering) -> frozenset[Name]:
    """Probe each key; returns those that failed, which is told. Those that passed are not told of yet."""
    subdomains = {_name(key) for key in rendering.keys if key.subdomains}
    since = site.clock.monotonic()
    wrong = set()
    for key in keys:
        for sender in _senders(key, _name(key) in subdomains):
            error = _probe(site, key, sender, since)
            if error is not None:
                site.tell(failed("signature", error, sender))
                wrong.add(_name(key))
                break
    return frozenset(wrong)


def _senders(key: Key, subdomains: bool) -> Iterator[str]:
    yield key.domain
    if subdomains:
        yield f"{_BELOW}.{key.domain}"


def _probe(site: Site, key: Key, sender: str, since: float) -> DkimctlError | None:
    """Why mail from this domain is not signed with a signature that verifies, or None when it is.

    Tries again for a while: `since` is when the daemon was told.
    """
    socket = parse_socket(site.settings.signing.socket)
    find_record = record_in_dns(site.settings.lookup)
    while True:
        patience = _TO_RELOAD
        try:
            seen = probe(socket, sender, key.selector, key.domain, find_record, clock=site.clock)
            if not seen.problem:
                return None
            error: DkimctlError = CheckFailed(seen.problem, hint=f"see its log: journalctl -u opendkim -g {seen.job}")
        except NobodyListens as nobody:
            error, patience = CheckFailed(nobody.message, hint=nobody.hint), _TO_START
        except Unavailable as unavailable:
            error = unavailable
        if site.clock.monotonic() - since > patience:
            return error
        site.clock.sleep(_PAUSE)


def record_in_dns(lookup: Lookup) -> FindRecord:
    """Finds key records at the authoritative servers: no cache stands between, none learns that a record is missing."""

    def find(owner: str) -> str | None:
        selector, domain = split_owner_name(owner)
        [report] = check([Target(selector, domain)], lookup)
        if report.verdict is Verdict.UNKNOWN:
            worst = report.findings[0]
            raise Unavailable(f"{owner}: {worst.title}: {worst.seen}", hint=worst.fix)
        return report.text

    return find


def _activate(site: Site, key: Key) -> None:
    """Note that it signs, and tell it."""
    now = next(k for k in site.store.keys(key.domain) if k.selector == key.selector)
    state = State.ALREADY if now.phase is Phase.ACTIVE else State.DONE
    if now.phase is not Phase.ACTIVE:
        site.store.advance(now, Phase.ACTIVE, site.clock.now(), note="a probe's signature verified")
    proof = f"opendkim signs with {key.selector}, and the signature verifies with the key from DNS"
    site.tell(Step("signature", state, proof, key.domain))
