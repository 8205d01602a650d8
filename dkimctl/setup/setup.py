"""Everything for new domains in one go: key, record, proof in DNS, configuration, proof by a signature.

set_up(site, request) → every step as it ended. Each is idempotent, so the same command continues after an interruption.
The order keeps the first promise: a key signs only after every authoritative server was seen to serve it.
"""

from dataclasses import dataclass, replace

from dkimctl.errors import DkimctlError, Refused
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, KeyName, KeyReader, current_key, signing_key
from dkimctl.lifecycle.generation import Failed, Generated, KeyRequest, KeyStyle, generate_keys
from dkimctl.publish.publication import Choices
from dkimctl.publish.publish import open_providers
from dkimctl.setup.existing_signing import check_beside
from dkimctl.setup.on_relays import await_relays
from dkimctl.setup.publishing import prove
from dkimctl.setup.signing import start_signing
from dkimctl.setup.steps import SetupStep, Site, StepState, failed


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """The domains and keys to set up, and how."""

    keys: tuple[KeyRequest, ...]
    """One for each domain."""
    style: KeyStyle
    provider: str | None
    """As `--provider` names it; None: as configured for each domain."""
    timeout: float
    """Seconds to wait for the authoritative servers, for each zone."""
    accept_limits: bool = False
    """As `Choices` has it."""


def set_up(site: Site, request: SetupRequest) -> tuple[SetupStep, ...]:
    """Make the keys, publish them, and have the daemons sign; a domain that fails does not stop the others.

    Raises UsageError or ConfigError before anything is made: for an unknown provider, and for missing credentials.
    """
    open_providers([key.domain for key in request.keys], request.provider, site.settings, site.clock)
    steps: list[SetupStep] = []

    def report(step: SetupStep) -> None:
        steps.append(step)
        site.report(step)

    _do(replace(site, report=report), request)
    return tuple(steps)


def _do(site: Site, request: SetupRequest) -> None:
    try:
        if site.relays is None:
            check_beside(site)
    except DkimctlError as error:
        site.report(failed("signer", error))
        return
    keys = _make_keys(site, request)
    choices = Choices(wait=True, timeout=request.timeout, accept_limits=request.accept_limits)
    served = prove(site, keys, request.provider, choices) if keys else []
    if site.stop.is_requested:
        return  # after Ctrl-C nothing new is begun
    if site.relays is not None:
        await_relays(site, site.relays, served, request.timeout)
        return
    try:
        start_signing(site, served)
    except DkimctlError as error:
        site.report(failed("config", error))


def _make_keys(site: Site, request: SetupRequest) -> list[Key]:
    """Return the key of each domain: the existing one, or a new one."""
    requests = []
    for wanted in request.keys:
        try:
            requests.append(_for_signing_key(wanted, site.store))
        except DkimctlError as error:
            site.report(failed("key", error, wanted.domain))
    keys = []
    for outcome in generate_keys(requests, request.style, site.store, now=site.clock.now(), if_missing=True):
        if isinstance(outcome, Failed):
            site.report(failed("key", outcome.error, outcome.domain))
            continue
        key = current_key(site.store, KeyName(outcome.domain, outcome.selector))
        state = StepState.DONE if isinstance(outcome, Generated) else StepState.ALREADY
        size = f"{key.metadata.algorithm} {key.metadata.bits}"
        site.report(SetupStep("key", state, f"{key.selector} ({size}) {key.path}", key.domain))
        keys.append(key)
    return keys


def _for_signing_key(request: KeyRequest, store: KeyReader) -> KeyRequest:
    """Return the request, for the key that signs already if there is one. Raises Refused when another was requested."""
    signs = signing_key(store.keys(request.domain))
    if signs is None:
        return request
    if request.any_selector:
        return request._replace(selector=signs.selector, any_selector=False)
    if signs.phase is Phase.ACTIVE and signs.selector != request.selector:
        raise Refused(
            f"{signs.selector} signs for {request.domain} already; setup does not change keys",
            hint="leave -s out to check and complete what is there",
        )
    return request
