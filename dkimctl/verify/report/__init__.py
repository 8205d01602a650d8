"""The words of a check: what is looked for, what each server said, the findings and the verdict."""

from dkimctl.verify.report.answer import ServerAnswer, State
from dkimctl.verify.report.report import Report, Verdict, in_brief, in_order, verdict_of
from dkimctl.verify.report.target import Target

__all__ = ["Report", "ServerAnswer", "State", "Target", "Verdict", "in_brief", "in_order", "verdict_of"]
