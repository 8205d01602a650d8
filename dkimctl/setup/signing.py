"""The end of a setup: the daemons configured, and the first signatures verified with the keys from DNS."""

from collections.abc import Sequence, Set

from dkimctl.config.settings import Settings
from dkimctl.dkim.keysource import record_in_dns
from dkimctl.errors import Refused
from dkimctl.install.attempt import Attempt, attempt, take_back
from dkimctl.install.eligible_keys import eligible_keys, installed_keys
from dkimctl.install.lock import with_current_files
from dkimctl.install.switch import Switched
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, current_key
from dkimctl.setup.existing_signing import refuse_changed_signing
from dkimctl.setup.steps import SetupStep, Site, StepState, failed
from dkimctl.signers.base import Name
from dkimctl.signers.desired import desired
from dkimctl.signers.rendered import Rendering, SigningKey
from dkimctl.signers.service import Action, ReloadResult

_TO_BE_CONTINUED = 3
"""The exit code of a step that waits for a person: nothing failed, and nothing is proven yet."""
_MEANWHILE = {
    "tempfail": "keeps mail waiting",
    "shutdown": "keeps mail waiting",
    "accept": "sends mail unsigned",
    "reject": "rejects mail",
    "quarantine": "holds mail",
}


def start_signing(site: Site, keys: Sequence[Key]) -> None:
    """Have the daemons sign with these keys, which DNS was seen to serve, and prove each by a signature.

    A new key whose signature does not verify is taken out again; the others go on. Where no daemon runs, the last step
    says what to type. Raises DkimctlError when the configuration cannot be put in place, or not be taken back.
    """
    with_current_files(site.settings, lambda: _start_signing(site, keys))


def _start_signing(site: Site, keys: Sequence[Key]) -> None:
    before = installed_keys(site.settings)
    rejected: frozenset[Name] = frozenset()
    while keys:
        rendering = desired(site.settings, eligible_keys(site.store, before, without=rejected))
        keys = _used_keys(site, keys, rendering)
        if not keys:
            return
        refuse_changed_signing(site.settings, rendering)
        made = _attempt(site, rendering, {_name(key) for key in keys})
        if made.reload_failed:
            site.report(failed(rendering.signer, made.reload_failed))
            _take_back(site, made)
        if not (made.proven or made.failures):
            return
        for failure in made.failures:
            site.report(failed("signature", failure.error, failure.sender))
        wrong = made.wrong - before
        right = [key for key in keys if _name(key) not in made.wrong]
        if not wrong or not made.has_changed:  # nothing that this run could take back
            for key in right:
                _activate(site, key)
            return
        _take_back(site, made)
        rejected |= wrong
        keys = right


def _name(key: Key | SigningKey) -> Name:
    return key.domain, key.selector


def _used_keys(site: Site, keys: Sequence[Key], rendering: Rendering) -> list[Key]:
    """Return the keys that the rendering uses, and report each of the others as a failed step."""
    used = {_name(key) for key in rendering.keys}
    for key in keys:
        if _name(key) not in used:
            other = next((k.selector for k in rendering.keys if k.domain == key.domain), None)
            why = f"{other} signs for it" if other else f"{rendering.signer} cannot use it together with the other keys"
            error = Refused(
                f"{key.selector} is not used: {why}", hint="see the warnings above, and: dkimctl render-config"
            )
            site.report(failed("config", error, key.domain))
    return [key for key in keys if _name(key) in used]


# --- the daemons


def _attempt(site: Site, rendering: Rendering, names: Set[Name]) -> Attempt:
    """Install the rendering and probe these keys; each switch of the daemons is reported."""
    for notice in rendering.notices:
        if not notice.blocking:  # a blocking one is the error of the installation
            site.report(SetupStep("config", StepState.WARNING, notice.message, hint=notice.hint))
    keys = (key for key in rendering.keys if _name(key) in names)
    return attempt(
        rendering,
        site.settings,
        keys,
        record_in_dns(site.settings.lookup),
        clock=site.clock,
        postfix_waits=True,
        report=lambda switched: _report(site, rendering, switched),
    )


def _report(site: Site, rendering: Rendering, switched: Switched) -> None:
    signer = rendering.signer
    site.report(_configuration(switched, rendering))
    if switched.postfix:
        site.report(_reloaded("Postfix", switched.postfix))
    if switched.daemon is None:
        site.report(
            SetupStep(
                signer,
                StepState.WARNING,
                "no daemon belongs to a staging tree, so no signature was proven",
                hint="on the host itself the same command proves one",
            )
        )
    elif switched.daemon.done:
        site.report(_reloaded(signer, switched.daemon))
    else:
        site.report(_waiting_for_daemon(switched, switched.daemon, rendering, site.settings))


def _configuration(switched: Switched, rendering: Rendering) -> SetupStep:
    changed = switched.installed.changed
    if changed.is_empty:
        told = f"{rendering.signer} and Postfix are" if rendering.postfix else f"{rendering.signer} is"
        return SetupStep("config", StepState.ALREADY, f"{told} told to sign with it")
    details = [directory.path for directory in changed.directories] + [file.path for file in changed.files]
    details += [f"main.cf: {change.name} = {change.wanted}" for change in changed.postfix]
    if switched.installed.backup:
        details.append(f"what was there before: {switched.installed.backup}")
    return SetupStep("config", StepState.DONE, switched.dry_run, details=tuple(details))


def _reloaded(name: str, result: ReloadResult) -> SetupStep:
    state = StepState.TODO if not result.done else StepState.ALREADY if result.step is Action.NONE else StepState.DONE
    return SetupStep(name, state, result.message, hint=result.hint, exit_code=0 if result.done else _TO_BE_CONTINUED)


def _waiting_for_daemon(
    switched: Switched, result: ReloadResult, rendering: Rendering, settings: Settings
) -> SetupStep:
    proof = result.message
    asks_there = rendering.postfix and (switched.postfix is None or switched.postfix.done)
    if asks_there and result.step is Action.START:
        proof += f"; until then Postfix {_MEANWHILE[settings.signing.milter_default_action]}"
    hint = f"{result.hint}, then run this command again: it continues with the proof"
    return SetupStep(rendering.signer, StepState.TODO, proof, hint=hint, exit_code=_TO_BE_CONTINUED)


def _take_back(site: Site, made: Attempt) -> None:
    if not made.has_changed:
        return
    results = take_back(made, site.settings)
    site.report(
        SetupStep(
            "config",
            StepState.DONE,
            "put back as it was before, because of what failed above",
            details=tuple(result.message for result in results),
        )
    )


# --- the proof


def _activate(site: Site, key: Key) -> None:
    """Note in the key's metadata that it signs, and report it."""
    now = current_key(site.store, key.name)
    state = StepState.ALREADY if now.phase is Phase.ACTIVE else StepState.DONE
    if now.phase is not Phase.ACTIVE:
        site.store.advance(now, Phase.ACTIVE, site.clock.now(), note="a probe's signature verified")
    signer = site.settings.signing.signer
    proof = f"{signer} signs with {key.selector}, and the signature verifies with the key from DNS"
    site.report(SetupStep("signature", state, proof, key.domain))
