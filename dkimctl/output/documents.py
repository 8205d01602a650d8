"""What each command prints with `--json`: the keys of its documents besides `schema`, and the types of their values."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from dkimctl.adopt.plan import Adoption
from dkimctl.dkim.inspection import Inspection
from dkimctl.findings import Entry, Finding
from dkimctl.fleet.exporting import Exported
from dkimctl.fleet.importing import Imported
from dkimctl.fleet.init import Fleet
from dkimctl.fleet.membership import Membership
from dkimctl.fleet.overview import FleetStatus
from dkimctl.fleet.simulation.simulate import Simulation
from dkimctl.install.compare import Difference
from dkimctl.install.install import Proven
from dkimctl.install.switch import Switched
from dkimctl.install.undo import Undone
from dkimctl.install.uninstall import Removed
from dkimctl.lifecycle.calendar import Appointment
from dkimctl.lifecycle.history import LedgerKey
from dkimctl.lifecycle.revoke import Revocation
from dkimctl.lifecycle.status import Status
from dkimctl.lifecycle.steps import Rotated, RotationStep
from dkimctl.output.demo import Scene
from dkimctl.output.fleet_relays import SyncedValue
from dkimctl.output.generation import FailedKeyValue, KeyValue
from dkimctl.output.publication_value import PublicationValue
from dkimctl.output.status_timeline import LifeValue
from dkimctl.providers.ovh.grants import Rule
from dkimctl.providers.ovh.login import Login
from dkimctl.providers.ovh.whoami import Identity
from dkimctl.record.published_keys import NamedRecord
from dkimctl.selftest.person import Sent
from dkimctl.selftest.probing import Selftest
from dkimctl.setup.steps import SetupStep
from dkimctl.signers.rendered import Notice
from dkimctl.timer import init
from dkimctl.verify.report import Report
from dkimctl.why.answer import WhyAnswer

Members = dict[str, Any]
"""Keys, and for each the type of its value, or again its members."""


def _members(kind: type) -> Members:
    """Return the members of a dataclass whose fields are printed with others."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.repr}


ERROR: Members = {"message": str, "hint": str, "exit_code": int, "problems": tuple[str, ...]}
"""What every command prints instead where it fails."""
_CHANGED: Members = {"changed": bool}
_NOTICES: Members = {"notices": tuple[Notice, ...]}
_UNDONE: Members = {"undone": Undone} | _CHANGED
_HOLD: Members = {"hold": {"domains": tuple[str, ...], "held": bool, "changed": bool}} | _CHANGED
_FINDINGS: Members = {"findings": tuple[Finding, ...]}
_PUBLICATIONS: Members = {"publications": tuple[PublicationValue, ...]} | _CHANGED
_REPORTS: Members = {"reports": tuple[Report, ...]}
_UNINSTALLED: Members = {
    "configuration": Removed,
    "timer": init.Done | None,
    "timer_files": tuple[str, ...],
    "timer_units": tuple[str, ...],
}
_MEMBERSHIP: Members = {"membership": Membership} | _CHANGED

DOCUMENTS: Mapping[str, tuple[Members, ...]] = {
    "setup": ({"steps": tuple[SetupStep, ...]} | _CHANGED,),
    "genkey": ({"keys": tuple[KeyValue | FailedKeyValue, ...]} | _CHANGED,),
    "record": ({"records": tuple[NamedRecord, ...]},),
    "render-config": (
        {"difference": _members(Difference) | _NOTICES} | _CHANGED,
        {"written": {"files": tuple[Path, ...]} | _NOTICES} | _CHANGED,
        {"installed": _members(Switched) | _NOTICES | {"proof": str}} | _CHANGED,
        _UNDONE,
    ),
    "publish": (_PUBLICATIONS, _PUBLICATIONS | {"plan_digest": str}, {"publication": PublicationValue}),
    "verify-dns": (_REPORTS, _REPORTS | {"complete": False}, {"report": Report}, _FINDINGS),
    "status": (
        {"status": Status},
        {"status": Status, "fleet": FleetStatus},
        {"status": Status, "timeline": tuple[LifeValue, ...]},
        {"ledger": tuple[LedgerKey, ...]},
    ),
    "rotate": ({"rotation": Rotated} | _CHANGED, {"calendar": tuple[Appointment, ...]} | _CHANGED),
    "revoke": ({"revocation": Revocation} | _CHANGED,),
    "delete": ({"steps": tuple[RotationStep, ...]} | _CHANGED,),
    "hold": (_HOLD,),
    "resume": (_HOLD,),
    "inspect": ({"inspection": Inspection}, {"findings": tuple[Entry, ...]}),
    "doctor": (_FINDINGS | _CHANGED,),
    "ovh login": ({"login": Login} | _CHANGED, {"rules": tuple[Rule, ...]} | _CHANGED),
    "ovh whoami": ({"credential": Identity},),
    "why": ({"answer": {"answer": WhyAnswer, "records": tuple[Report, ...]}},),
    "adopt": (
        {"adoption": _members(Adoption) | _NOTICES | {"change": Difference | Proven | None}} | _CHANGED,
        _UNDONE,
    ),
    "init": ({"init": init.Done} | _CHANGED,),
    "uninstall": ({"uninstalled": _UNINSTALLED} | _CHANGED,),
    "fleet init": ({"fleet": Fleet} | _CHANGED,),
    "fleet upgrade": ({"fleet": Fleet} | _CHANGED,),
    "fleet import": ({"import": Imported} | _CHANGED,),
    "fleet export": ({"export": Exported} | _CHANGED,),
    **dict.fromkeys(("fleet join", "fleet approve", "fleet drain", "fleet remove"), (_MEMBERSHIP,)),
    "fleet sync": ({"synced": SyncedValue | None} | _CHANGED,),
    "fleet status": ({"fleet": FleetStatus},),
    "fleet simulate": ({"simulation": Simulation},),
    "selftest": ({"selftest": Selftest}, {"sent": Sent}),
    "sandbox": ({"sandbox": {"environment": Mapping[str, str], "zones": tuple[str, ...]}},),
    "demo": ({"scenes": tuple[Scene, ...]},),
}
