"""Reports copied from one model: concluded once by the long way's own code for each kind of right name."""

from dataclasses import replace

from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.resolve import Security, Zone
from dkimctl.keys.public import PublicKey
from dkimctl.verify.conclusion.conclude import conclude
from dkimctl.verify.lookup.answers import nowhere
from dkimctl.verify.lookup.survey import Survey
from dkimctl.verify.report import Report, ServerAnswer, State, Target, in_brief

_USUAL_TTL = 3600
_Kind = tuple[Security, str, int, bool]
"""What the findings of a right name depend on besides its zone: DNSSEC; algorithm, bits; whether a key was expected."""


class ReportTemplate:
    """Reports about right names of one zone: every server at `asked` has answered, `unrouted` cannot be reached."""

    def __init__(
        self, zone: Zone, asked: list[Endpoint], unrouted: list[tuple[str, Endpoint]], *, nameless: bool
    ) -> None:
        """`nameless`: as for `check`."""
        self._nameless = nameless
        self._zone = zone
        self._asked = asked
        self._unrouted = unrouted
        self._models: dict[_Kind, Report] = {}

    def report(self, target: Target, text: str, key: PublicKey, security: Security) -> Report:
        """Return what `conclude` says of such a name, copied from the report of a name of the same kind."""
        kind = (security, key.algorithm, key.bits, target.expected is not None)
        model = self._models.get(kind)
        if model is None:
            model = self._models[kind] = self._concluded(target, text, security)
        if self._nameless:
            return model
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

    def _concluded(self, target: Target, text: str, security: Security) -> Report:
        owner = target.owner
        answers = [ServerAnswer(owner, "", str(e), State.TEXT, texts=(text,), ttl=_USUAL_TTL) for e in self._asked]
        answers += [ServerAnswer(owner, server, str(e), State.NOT_ASKED) for server, e in self._unrouted]
        answers += [nowhere(owner, server) for server in self._zone.servers if not server.endpoints]
        zone = replace(self._zone, security=security)
        survey = Survey(owner, zones=[zone], answers=answers, last=tuple(answers), aliases=[owner])
        return in_brief(conclude(target, survey))
