"""The middle of a setup: the records published, and seen at every authoritative server."""

from collections.abc import Sequence
from dataclasses import replace

from dkimctl.keys.metadata import UNPROVEN
from dkimctl.keys.store import Key
from dkimctl.publish.publication import Choices, Event, Progress, Publication, PublishOutcome
from dkimctl.publish.publish import publish_at_each
from dkimctl.record.presentation import quoted_strings
from dkimctl.setup.steps import SetupStep, Site, StepState, failed


def prove(site: Site, keys: Sequence[Key], provider: str | None, choices: Choices) -> list[Key]:
    """Publish the record of each key and wait until DNS serves it; returns the keys for which it does.

    Reports two steps for each key. One that fails does not stop the others.
    """
    known = {(key.domain, key.selector): key for key in keys}

    def on_event(event: Event) -> None:
        if isinstance(event, Progress):
            site.progress(f"{event.subject}: {event.text}")
            return
        for step in _steps(event, known[event.domain, event.selector]):
            site.report(step)

    settings, clock, stop = site.settings, site.clock, site.stop
    publications = publish_at_each(
        settings, site.store, provider, keys, choices, clock=clock, stop=stop, report=on_event
    )
    served = {(p.domain, p.selector) for p in publications if p.served and not p.error}
    return [key for name, key in known.items() if name in served]


def _steps(publication: Publication, key: Key) -> list[SetupStep]:
    """Return the steps that one publication completes; one written by a person reports twice, before and after."""
    if publication.error and publication.outcome in (PublishOutcome.FAILED, PublishOutcome.NOT_BEGUN):
        return [failed("record", publication.error, publication.domain)]
    if publication.outcome is PublishOutcome.BY_HAND and publication.served is None and not publication.error:
        return [_by_hand(publication)]
    steps = [] if publication.outcome is PublishOutcome.BY_HAND else [_record(publication)]
    return [*steps, _in_dns(publication, key)]


def _record(publication: Publication) -> SetupStep:
    length = f"{len(publication.text)} characters"
    if publication.outcome is PublishOutcome.UNCHANGED:
        return SetupStep(
            "record",
            StepState.ALREADY,
            f"{publication.name} is at {publication.provider} ({length})",
            publication.domain,
        )
    proof = f"{publication.name} written at {publication.provider}, read back and equal ({length})"
    return SetupStep("record", StepState.DONE, proof, publication.domain)


def _by_hand(publication: Publication) -> SetupStep:
    proof = "add this record where the zone is kept; it is looked for until it is there"
    details = (f"{publication.name}. IN TXT {quoted_strings(publication.text)}",)
    return SetupStep("record", StepState.TODO, proof, publication.domain, details=details)


def _in_dns(publication: Publication, key: Key) -> SetupStep:
    if publication.error:
        first = f"{publication.next_step}, then " if publication.next_step else ""
        hint = f"{first}run the same command again: it continues from here; no new key signs before DNS serves it"
        return replace(failed("in DNS", publication.error, publication.domain), hint=hint)
    is_new = key.phase in UNPROVEN
    count = publication.servers
    servers = {
        0: "the resolvers serve (weaker: no authoritative server answers this machine)",
        1: "the authoritative server serves",
        2: "both authoritative servers serve",
    }
    proof = f"{servers.get(count, f'all {count} authoritative servers serve')} exactly this key"
    return SetupStep("in DNS", StepState.DONE if is_new else StepState.ALREADY, proof, publication.domain)
