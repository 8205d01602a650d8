"""Reports copied from one model: concluded once by the long way's own code for each kind of right name."""

from collections.abc import Mapping
from dataclasses import replace

from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.questions import Failure, Trouble
from dkimctl.dns.resolve import NameServer, Security, Zone
from dkimctl.keys.public import PublicKey
from dkimctl.verify.bulk.cachedjudge import CachedJudge
from dkimctl.verify.conclusion.conclude import conclude
from dkimctl.verify.lookup.answers import nowhere, server_answer
from dkimctl.verify.lookup.survey import Survey
from dkimctl.verify.report import AnswerState, Report, ServerAnswer, Target, in_brief

_Kind = tuple[Security, str, int, bool]
"""What the findings of a right name depend on besides its zone: DNSSEC; algorithm, bits; whether a key was expected."""


class ReportTemplate:
    """Reports about names of one zone for which every server that could be asked has the same right record."""

    def __init__(self, zone: Zone, unasked: Mapping[Endpoint, Trouble], judge: CachedJudge, *, nameless: bool) -> None:
        """`unasked`: why some addresses could not be asked. `nameless`: as for `check`."""
        self._nameless = nameless
        self._zone = zone
        self._unasked = unasked
        self._judge = judge
        self._models: dict[_Kind, Report] = {}

    def report(
        self, target: Target, text: str, key: PublicKey, security: Security, ttl: int, milliseconds: float
    ) -> Report:
        """Return what `conclude` says of such a name, copied from the report of a name of the same kind."""
        kind = (security, key.algorithm, key.bits, target.expected is not None)
        model = self._models.get(kind)
        if model is None:
            model = self._concluded(target, text, security, ttl, milliseconds)
            self._models[kind] = model
        if not model.is_right:
            return self._in_full(model, target, text, security, ttl, milliseconds)
        return model if self._nameless else _copied(model, target, security)

    def _in_full(
        self, model: Report, target: Target, text: str, security: Security, ttl: int, milliseconds: float
    ) -> Report:
        """Return the whole report of a name with a right record, of whose servers one could not be asked."""
        if any(model.domain in one.seen + one.fix for one in model.findings):
            return self._concluded(target, text, security, ttl, milliseconds)
        owner = target.owner
        return replace(
            _copied(model, target, security),
            findings=tuple(replace(one, subject=owner) for one in model.findings),
            answers=tuple(self._answers(owner, text, ttl, milliseconds)),
            text=text,
            record=self._judge(text, target).record,
        )

    def _concluded(self, target: Target, text: str, security: Security, ttl: int, milliseconds: float) -> Report:
        owner = target.owner
        answers = self._answers(owner, text, ttl, milliseconds)
        zone = self._zone._replace(security=security)
        survey = Survey(owner, zones=[zone], answers=answers, last=tuple(answers), aliases=[owner])
        return in_brief(conclude(target, survey, self._judge))

    def _answers(self, owner: str, text: str, ttl: int, milliseconds: float) -> list[ServerAnswer]:
        answers = [
            self._answer(owner, server, endpoint, text, ttl, milliseconds)
            for server in self._zone.servers
            for endpoint in server.endpoints
        ]
        return answers + [nowhere(owner, server) for server in self._zone.servers if not server.endpoints]

    def _answer(
        self, owner: str, server: NameServer, endpoint: Endpoint, text: str, ttl: int, milliseconds: float
    ) -> ServerAnswer:
        trouble = self._unasked.get(endpoint)
        if trouble is not None:
            return server_answer(owner, server.name, str(endpoint), Failure(trouble), authoritative=True)
        return ServerAnswer(
            owner, server.name, str(endpoint), AnswerState.TEXT, texts=(text,), ttl=ttl, milliseconds=milliseconds
        )


def _copied(model: Report, target: Target, security: Security) -> Report:
    """Return the model's report in brief for another name."""
    owner = target.owner
    return Report(
        target=target,
        domain=target.domain,
        selector=target.selector,
        owner=owner,
        verdict=model.verdict,
        findings=model.findings,
        zone=model.zone,
        dnssec=security,
        publish_at=owner,
    )
