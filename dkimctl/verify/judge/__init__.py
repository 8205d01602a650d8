"""One record's text, judged without any network: its form, its key, its other tags."""

from dkimctl.verify.judge.text import Judgement, is_fit_to_publish, judge, right_text

__all__ = ["Judgement", "is_fit_to_publish", "judge", "right_text"]
