"""The life of keys in `dkimctl status`: the timeline of a domain, the page, and the ledger of live selectors."""

import os
import re
import subprocess
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dkimctl.findings import Finding, Severity
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.store import Key
from dkimctl.lifecycle.history import Event, KeyLife, Moment
from dkimctl.lifecycle.key_status import Keyless
from dkimctl.lifecycle.next_step import NextStep
from dkimctl.lifecycle.status import Status
from dkimctl.output.status_html import html_page
from tests.conftest import DkimctlInside, needs
from tests.test_lifecycle_status import genkey
from tests.test_status_formats import KEY
from tests.test_status_next_step import DOMAIN, RECORD, SIGNING, ago, note
from tests.test_status_next_step import dkimctl as dkimctl  # a domain at rest

NOW = datetime(2026, 11, 30, tzinfo=UTC)
HOSTILE = "</title><script>alert(1)</script>\"'&<img src=x onerror=y>\x1b[2J"


def test_the_timeline_goes_from_past_to_planned(dkimctl: DkimctlInside) -> None:
    """Every event in the order of time, today between what was and what is planned, at most 80 columns."""
    genkey(dkimctl, DOMAIN, "o")
    note(dkimctl, "o", phase="retiring", facts={"record": RECORD, "signing": {"left": ago(4)}})
    note(dkimctl, "a", phase="active", created=ago(61), facts={"record": RECORD, "signing": SIGNING})
    lines = dkimctl("status", DOMAIN).out.splitlines()
    rows = lines[next(number for number, line in enumerate(lines) if line.startswith("WHEN")) + 1 :]
    assert [row[:16] for row in rows] == sorted(row[:16] for row in rows)
    today = next(number for number, row in enumerate(rows) if row.endswith(" today"))
    of_a = [row[28:].strip() for row in rows if row[18:28].strip() == "a"]
    assert of_a == [
        "created",
        "published",
        "proven at every name server",
        "signs",
        "planned: signs no more",
        "planned: record revoked (p=)",
        "planned: record removed",
        "planned: private key removed",
    ]
    assert all("planned: " in row for row in rows[today + 1 :])
    assert not any("planned: " in row for row in rows[:today])
    assert max(map(len, rows)) <= 80
    assert "WHEN" not in dkimctl("status").out


def test_a_held_domain_has_no_planned_events(dkimctl: DkimctlInside) -> None:
    """Nothing is planned for it, so nothing is said of it."""
    assert dkimctl("hold", DOMAIN).code == 0
    assert "planned" not in dkimctl("status", DOMAIN).out


def test_the_ledger_lists_what_signatures_may_name(dkimctl: DkimctlInside) -> None:
    """The key that signs and the one whose mail is under way; no standby, no key whose mail is through or revoked."""
    for selector in ("o", "old", "gone"):
        genkey(dkimctl, DOMAIN, selector)
    note(dkimctl, "o", phase="retiring", facts={"record": RECORD, "signing": {"left": ago(4)}})
    note(dkimctl, "old", phase="retiring", facts={"record": RECORD, "signing": {"left": ago(40)}})
    note(dkimctl, "gone", phase="revoked", facts={"record": {"revoked": ago(1)}, "signing": {"left": ago(4)}})
    run = dkimctl("status", "--format", "ledger")
    found = {one["selector"]: one for one in run.json["ledger"]}
    assert (run.code, sorted(found)) == (0, ["a", "o"])
    assert (found["a"]["signs_until"], found["a"]["valid_until"]) == (None, None)
    assert found["o"]["signs_until"] == ago(4)[:10] + found["o"]["signs_until"][10:]
    assert found["o"]["valid_until"] > found["o"]["signs_until"]
    for one in found.values():
        assert one["identity"] == sha256(one["public"].encode()).hexdigest()[:16]
        assert one["public"] in dkimctl("record", DOMAIN, "-s", one["selector"], "--format", "oneline").out


# --- the page


class Page(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def life(domain: str, selector: str = "mail") -> KeyLife:
    """A key that signs, with what is planned for it."""
    at, day = int(NOW.timestamp()), 86400
    moments = [Moment(event, at - (30 - number) * day, False) for number, event in enumerate(list(Event)[:4])]
    moments += [Moment(event, at + 90 * day * number, True) for number, event in enumerate(list(Event)[4:], 1)]
    return KeyLife(Key(domain, selector, "", Metadata("rsa", 2048, "")), tuple(moments))


def page(count: int = 3) -> str:
    """The page of so many domains."""
    keys = tuple(replace(KEY, domain=f"d{number:04}.example") for number in range(count))
    return html_page(Status(keys, (), ()), [life(key.domain) for key in keys], NOW)


def test_the_page_needs_nothing_else() -> None:
    """No address in it, no handler and no style in an attribute; its policy allows its own style and script alone."""
    text = page()
    found = Page(text)
    policy = next(attributes for tag, attributes in found.tags if attributes.get("http-equiv"))["content"] or ""
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        [content] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert f"{tag}-src 'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'" in policy
    names = {name for _, attributes in found.tags for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("src", "href", "style")}
    assert "://" not in text


def test_the_page_is_read_without_its_script() -> None:
    """Every domain has its row and its drawing with the dates in words; the field of the filter is hidden."""
    found = Page(page())
    assert [tag for tag, _ in found.tags].count("svg") == 3 + 4
    assert ("p", {"class": "tools", "hidden": None}) in found.tags
    assert "d0001.example" in found.text
    assert "planned: retired 2027-02-28" in found.text


def test_hostile_text_stays_text() -> None:
    """A domain, a selector, a finding, a provider: none becomes a tag or an attribute."""
    key = replace(KEY, domain=HOSTILE, selector=HOSTILE, algorithm=HOSTILE, phase=Phase.GENERATED, next=HOSTILE)
    step = NextStep(HOSTILE, HOSTILE, None, HOSTILE, False, HOSTILE, HOSTILE, needs_person=True)
    finding = Finding("DKIM950", Severity.ERROR, HOSTILE, "", HOSTILE, HOSTILE)
    status = Status((key, replace(key, domain="b.example")), (Keyless(HOSTILE, HOSTILE),), (finding,), (step,))
    found = Page(html_page(status, [life(HOSTILE, HOSTILE)], NOW))
    tags = [tag for tag, _ in found.tags]
    assert tags.count("script") == 1 and "img" not in tags
    assert not [attributes for _, attributes in found.tags if "onerror" in attributes]


def test_problems_come_first_on_the_page(dkimctl: DkimctlInside) -> None:
    """Above the table what could not be read; no control character reaches the page."""
    genkey(dkimctl, "two.example")
    (dkimctl.root / "etc/opendkim/keys/two.example/mail.json").write_text("{")
    run = dkimctl("status", "--format", "html")
    assert run.code == 3
    assert run.out.index("is not the metadata of a key") < run.out.index("<table>")
    assert dkimctl("status", "--format", "html", "--json").code == 2


def browse(tmp_path: Path, text: str, *options: str) -> str:
    """What headless Chromium prints of a page."""
    (tmp_path / "page.html").write_text(text)
    chromium = ("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile")
    command = (*chromium, "--window-size=1000,700", *options, f"file://{tmp_path}/page.html")
    env = {**os.environ, "HOME": str(tmp_path)}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=env).stdout


@needs("chromium")
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    """1,000 domains: the script runs under the policy and shows the filter; light and dark differ; it prints."""
    text = page(1000)
    assert len(text) < 3_000_000
    shown = browse(tmp_path, text, "--dump-dom")
    assert '<p class="tools">' in shown
    assert shown.count("<tr>") == 1001
    for name, scheme in (("light", 1), ("dark", 0)):
        picture = f"--screenshot={tmp_path}/{name}.png"
        browse(tmp_path, page(), picture, f"--blink-settings=preferredColorScheme={scheme}")
    assert (tmp_path / "light.png").read_bytes() != (tmp_path / "dark.png").read_bytes()
    browse(tmp_path, page(), f"--print-to-pdf={tmp_path}/page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("event", list(Event))
def test_every_event_has_its_words(event: Event) -> None:
    """None is missing from the timeline."""
    from dkimctl.output.status_timeline import _WORDS

    assert _WORDS[event]
