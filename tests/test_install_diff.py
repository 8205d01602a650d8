"""The diff: it applies, it is small, and it stays quick on large tables."""

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkimctl.install import unified as module
from dkimctl.install.compare import compare
from dkimctl.install.unified import diff_lines, unified
from tests.conftest import needs
from tests.rendering import manage, rendering_for, settings_for, write

LINES = st.lists(st.sampled_from([f"{n}\n" for n in range(12)]), max_size=30)


def patched(old: list[str], hunks: list[str]) -> list[str]:
    """What the hunks make of `old`; every context line and every removed one must be there."""
    result: list[str] = []
    at = 0
    for line in hunks:
        if line.startswith("@@"):
            start, count = (int(n) for n in line.split()[1][1:].split(","))
            start -= 1 if count else 0
            result += old[at:start]
            at = start
        elif line.startswith("+"):
            result.append(line[1:])
        else:
            assert old[at] == line[1:]
            result += [line[1:]] if line.startswith(" ") else []
            at += 1
    return result + old[at:]


@given(LINES, LINES, st.booleans())
def test_the_diff_makes_the_new_file_of_the_old(old: list[str], new: list[str], is_large: bool) -> None:
    """Whichever way lines are matched: applying the hunks to the old file gives the new one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SMALL", 0 if is_large else 10**6)
        assert patched(old, list(unified(old, new))) == new


def test_large_sorted_tables_differ_only_where_they_differ() -> None:
    """100,000 rows with every tenth changed: exactly those lines are shown, found in one pass."""
    old = [f"domain{n:06}.example key\n" for n in range(100_000)]
    new = [line.replace("key", "new") if n % 10 == 0 else line for n, line in enumerate(old)]
    changed = [line for line in unified(old, new) if line[0] in "+-"]
    assert len(changed) == 20_000


def test_a_moved_line_does_not_spoil_the_rest() -> None:
    """One row that wandered to the end of a large table is two changed lines, not a new table."""
    old = [f"domain{n:06}.example key\n" for n in range(10_000)]
    new = [*old[1:], old[0]]
    assert [line for line in unified(old, new) if line[0] in "+-"] == [f"-{old[0]}", f"+{old[0]}"]
    shuffled = random.Random(1).sample(old, len(old))
    assert patched(old, list(unified(old, shuffled))) == shuffled


@needs("postconf", "patch")
def test_the_whole_diff_applies_with_patch(tmp_path: Path) -> None:
    """Paths, ranges and contents are those of a real unified diff: patch(1) makes the files of it."""
    settings = settings_for(tmp_path / "root")
    manage(settings, "example.com")
    write(settings.root, "/etc/opendkim/KeyTable", "other example.net:s:/k\n# no line feed at the end")
    write(settings.root, "/etc/postfix/main.cf", "compatibility_level = 3.6\n")
    write(settings.root, "/etc/postfix/master.cf", "smtp inet n - y - - smtpd\n")
    rendering = rendering_for(settings)
    lines = "".join(diff_lines(rendering, compare(rendering, settings), settings))
    assert "make directory /var/spool/postfix/opendkim: mode 2750, owner opendkim:postfix\n" in lines
    assert lines.endswith("-non_smtpd_milters =\n+non_smtpd_milters = $smtpd_milters\n")
    files = lines.partition("--- ")[1] + lines.partition("--- ")[2].rpartition("--- /etc/postfix/main.cf")[0]
    (settings.root / "the.diff").write_text(files.replace("--- /etc/", "--- etc/").replace("+++ /etc/", "+++ etc/"))
    settings.at("/etc/tmpfiles.d").mkdir()
    settings.at("/etc/opendkim/KeyTable").write_text("other example.net:s:/k\n# no line feed at the end\n")
    subprocess.run(["patch", "-p0", "-i", "the.diff"], cwd=settings.root, check=True, capture_output=True)
    assert [change.path for change in compare(rendering, settings).files] == []
