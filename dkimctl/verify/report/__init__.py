"""The words of a check: what is looked for, what each server said, the findings and the verdict."""

from dkimctl.verify.report.answer import AnswerState, ServerAnswer
from dkimctl.verify.report.report import Report, Verdict, in_brief, in_order, verdict_of
from dkimctl.verify.report.target import Target

__all__ = ["AnswerState", "Report", "ServerAnswer", "Target", "Verdict", "in_brief", "in_order", "verdict_of"]
