"""One record's text, judged without any network: its form, its key, its other tags."""

from dkimctl.verify.judge.text import Judgement, judge, right_text

__all__ = ["Judgement", "judge", "right_text"]
