"""One record's text, judged without any network: its form, its key, its other tags."""

from dkimctl.verify.judge.text import Judgement, Weakness, is_fit_to_publish, judge, right_text

__all__ = ["Judgement", "Weakness", "is_fit_to_publish", "judge", "right_text"]
