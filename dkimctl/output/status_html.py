"""The status of every key as one page: no network, and no script needed to read it."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from html import escape

from dkimctl.findings import severity_order
from dkimctl.fleet.overview import FleetStatus
from dkimctl.lifecycle.history import Event, KeyLife
from dkimctl.lifecycle.key_status import KeyStatus, by_domain
from dkimctl.lifecycle.next_step import NextStep
from dkimctl.lifecycle.status import Status
from dkimctl.names import counted
from dkimctl.output.fleet_html import fleet_part
from dkimctl.output.status_timeline import EARLIEST, shown

_DAY = 86400
_WIDTH, _BAR, _GAP = 420, 12, 6
_LATEST = 720 * _DAY
"""What the time axis shows at most after today."""
_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --faint: #57606a; --line: #d0d7de; --bad: #b42318;
  --signs: #1a7f4b; --ready: #6ba3d6; --way: #c98a10; --gone: #a0a7b0; }
@media (prefers-color-scheme: dark) { :root { --back: #14181d; --text: #e6e9ed; --faint: #9aa4af; --line: #343b44;
  --bad: #ff8a7a; --signs: #45b87b; --ready: #5a8fc4; --way: #d8a13a; --gone: #6a727c; } }
body { margin: 1.5rem auto; max-width: 80rem; padding: 0 1rem; background: var(--back); color: var(--text);
  font: 15px/1.45 system-ui, sans-serif; }
[hidden] { display: none !important; }
h1 { font-size: 1.35rem; margin: 0 0 .2rem; } h2 { font-size: 1.05rem; margin: 1.4rem 0 .4rem; }
.faint { color: var(--faint); } .bad { color: var(--bad); font-weight: 600; }
ul { margin: .3rem 0; padding-left: 1.2rem; } li, td { overflow-wrap: anywhere; }
#filter { font: inherit; padding: .3rem .5rem; width: 18rem; max-width: 100%; box-sizing: border-box; }
table { border-collapse: collapse; width: 100%; margin-top: .6rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem .8rem .45rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: 600; white-space: nowrap; }
td div { white-space: nowrap; } td.next { min-width: 9rem; }
svg { display: block; width: 100%; min-width: 15rem; max-width: 30rem; height: auto; }
svg text { font: 10px system-ui, sans-serif; fill: var(--faint); }
.created { fill: var(--ready); } .active { fill: var(--signs); } .retired { fill: var(--way); }
.revoked { fill: var(--gone); } .planned { opacity: .45; } .today { stroke: var(--bad); stroke-width: 1.5; }
.legend span { display: inline-block; margin-right: 1rem; } .legend svg { display: inline-block; width: 1.2rem;
  min-width: 0; height: .7rem; }
@media (max-width: 46rem) { thead { display: none; } tr { display: block; border-bottom: 1px solid var(--line);
  padding: .5rem 0; } td { display: block; border: 0; padding: .15rem 0; } td div { white-space: normal; } }
@media print { :root { color-scheme: light; --back: #fff; --text: #000; --faint: #444; --line: #bbb; --bad: #a00; }
  body { margin: 0; max-width: none; font-size: 11px; } .tools { display: none; } tr { break-inside: avoid; }
  svg * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
_SCRIPT = """
const field = document.getElementById("filter"), shown = document.getElementById("shown");
const rows = [...document.querySelectorAll("#domains tr")].map(row => [row, row.textContent.toLowerCase()]);
document.querySelector(".tools").hidden = false;
field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let count = 0;
  for (const [row, text] of rows) { row.hidden = !words.every(word => text.includes(word)); count += !row.hidden; }
  shown.textContent = `${count} of ${rows.length}`;
});
"""
_SEGMENTS = (
    (Event.CREATED, (Event.ACTIVE, Event.RETIRED, Event.REVOKED)),
    (Event.ACTIVE, (Event.RETIRED,)),
    (Event.RETIRED, (Event.REVOKED,)),
    (Event.REVOKED, (Event.REMOVED,)),
)
"""The parts of a bar: the event that begins it, and the first of these that ends it."""
_LEGEND = (("created", "made ready"), ("active", "signs"), ("retired", "its mail is under way"), ("revoked", "revoked"))


def html_page(status: Status, lives: Iterable[KeyLife], now: datetime, fleet: FleetStatus | None = None) -> str:
    """Return the page; with the relays of a `fleet`. Whatever comes from keys, DNS, files or relays is escaped."""
    return "".join(_page(status, lives, now, fleet))


def _page(status: Status, lives: Iterable[KeyLife], now: datetime, fleet: FleetStatus | None) -> Iterator[str]:
    policy = (
        f"default-src 'none'; style-src '{_digest(_STYLE)}'; script-src '{_digest(_SCRIPT)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>DKIM keys</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
    keys = dict(by_domain(status.keys))
    domains = len(keys) + len(status.keyless)
    counts = f"{counted(domains, 'domain')}, {counted(len(status.keys), 'key')}; {now:%Y-%m-%d %H:%M} UTC"
    yield f'<h1>DKIM keys</h1>\n<p class="faint">{counts}</p>\n'
    yield from _problems(status)
    if fleet is not None:
        yield from fleet_part(fleet)
    yield from _table(status, keys, lives, int(now.timestamp()))
    yield f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"


def _digest(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def _problems(status: Status) -> Iterator[str]:
    findings = sorted(status.findings, key=severity_order)
    lines = [
        f'<span class="bad">{escape(one.severity.value)}</span> {escape(one.title)}: {escape(one.seen)} '
        f'<span class="faint">{escape(one.fix)}</span>'
        for one in findings
    ]
    lines += [
        f'<span class="bad">{escape(one.domain)} {escape(one.selector)}</span>: {escape(_what_waits(one))}: '
        f"{escape(one.waits_for)}"
        for one in status.steps
        if one.needs_person
    ]
    lines += [
        f'<span class="bad">{escape(one.domain)}</span> has no key: <code>{escape(one.next)}</code>'
        for one in status.keyless
    ]
    if lines:
        yield "<h2>Problems</h2>\n<ul>\n" + "".join(f"<li>{line}</li>\n" for line in lines) + "</ul>\n"


def _what_waits(step: NextStep) -> str:
    return f"{step.step} waits" if step.step else step.reason


def _table(
    status: Status, keys: Mapping[str, Sequence[KeyStatus]], lives: Iterable[KeyLife], now: int
) -> Iterator[str]:
    steps = {step.domain: step for step in status.steps}
    by_domain: dict[str, list[KeyLife]] = {}
    for life in shown(lives, now):
        by_domain.setdefault(life.key.domain, []).append(life)
    start, end = _range([moment.at for some in by_domain.values() for life in some for moment in life.moments], now)
    legend = "".join(
        f'<span><svg viewBox="0 0 20 12"><rect class="{name}" width="20" height="12"/></svg> {text}</span>'
        for name, text in _LEGEND
    )
    yield f'<h2>Domains</h2>\n<p class="legend faint">{legend}<span>faint: planned</span></p>\n'
    yield '<p class="tools" hidden><input id="filter" type="search" placeholder="Filter" aria-label="Filter"> '
    yield '<span id="shown" class="faint" aria-live="polite"></span></p>\n'
    yield "<table>\n<thead><tr><th>Domain</th><th>Keys</th><th>Next step</th><th>Life</th></tr></thead>\n"
    yield '<tbody id="domains">\n'
    for domain, some in sorted(keys.items(), key=lambda item: _rank(item[1], steps.get(item[0]))):
        cells = "".join(_key_line(key) for key in some)
        step = _step(steps.get(domain), some)
        drawing = _drawing(by_domain.get(domain, []), start, end, now)
        yield f'<tr><td>{escape(domain)}</td><td>{cells}</td><td class="next">{step}</td><td>{drawing}</td></tr>\n'
    yield "</tbody>\n</table>\n"


def _rank(keys: Sequence[KeyStatus], step: NextStep | None) -> tuple[bool, bool, str]:
    """Sort domains: first those that wait for a person, then those without a key that signs."""
    return not (step and step.needs_person), any(key.phase == "active" for key in keys), keys[0].domain


def _key_line(key: KeyStatus) -> str:
    kind = f"rsa {key.bits}" if key.algorithm == "rsa" else key.algorithm
    age = "" if key.age is None else f", {key.age} d"
    return f'<div>{escape(key.selector)} <span class="faint">{escape(kind)}{age}</span> {escape(key.phase.value)}</div>'


def _step(step: NextStep | None, keys: Sequence[KeyStatus]) -> str:
    if step is None:
        command = next((key.next for key in keys if key.next), None)
        return f"<code>{escape(command)}</code>" if command else "-"
    what = escape(f"{step.step or step.reason} {step.selector}".strip())
    when = "due" if step.is_due else escape((step.at or "")[:10])
    more = f'<br><span class="faint">{escape(step.waits_for)}</span>' if step.waits_for else ""
    hand = f'<span class="bad">{"stuck" if step.is_due else "by hand"}:</span> ' if step.needs_person else ""
    return f"{hand}{when} {what}{more}"


def _range(moments: Sequence[int], now: int) -> tuple[int, int]:
    """Return the ends of the time axis, the same for all domains."""
    start = max(min(moments, default=now), now - EARLIEST)
    end = min(max(moments, default=now), now + _LATEST)
    return min(start, now - 30 * _DAY), max(end, now + 30 * _DAY)


def _drawing(lives: Sequence[KeyLife], start: int, end: int, now: int) -> str:
    """Return the bars of a domain's keys, one below the other, with the line of today and the years."""
    if not lives:
        return ""
    height = len(lives) * (_BAR + _GAP) + _GAP

    def x(at: int) -> float:
        return round(_WIDTH * (min(max(at, start), end) - start) / (end - start), 1)

    parts = [f'<svg viewBox="0 0 {_WIDTH} {height + 12}" role="img"><title>{escape(_words(lives))}</title>']
    for number, life in enumerate(lives):
        parts += _bars(life, x, _GAP + number * (_BAR + _GAP), now)
    parts.append(f'<line class="today" x1="{x(now)}" x2="{x(now)}" y1="0" y2="{height}"/>')
    for at, label in _ticks(start, end):
        parts.append(f'<text x="{x(at)}" y="{height + 10}">{label}</text>')
    return "".join(parts) + "</svg>"


def _bars(life: KeyLife, x: Callable[[int], float], y: int, now: int) -> Iterator[str]:
    at = {moment.event: moment.at for moment in life.moments}
    far = max(at.values())
    for event, ends in _SEGMENTS:
        if event not in at:
            continue
        end = next((at[one] for one in ends if one in at), max(far, now) if event is not Event.REVOKED else far)
        for begin, stop, css in ((at[event], min(end, now), ""), (max(at[event], now), end, " planned")):
            if stop > begin:
                width = max(x(stop) - x(begin), 1)
                yield f'<rect class="{event.value}{css}" x="{x(begin)}" y="{y}" width="{width:.1f}" height="{_BAR}"/>'


def _words(lives: Sequence[KeyLife]) -> str:
    return "\n".join(
        f"{life.key.selector}: "
        + ", ".join(f"{'planned: ' if m.is_planned else ''}{m.event.value} {_date(m.at)}" for m in life.moments)
        for life in lives
    )


def _ticks(start: int, end: int) -> Iterator[tuple[int, str]]:
    first = datetime.fromtimestamp(start, UTC)
    months = [(first.year + (first.month + k - 1) // 12, (first.month + k - 1) % 12 + 1) for k in range(1, 60)]
    for year, month in months:
        at = int(datetime(year, month, 1, tzinfo=UTC).timestamp())
        if at < end - 40 * _DAY and month in ((1, 7) if end - start > 300 * _DAY else (1, 4, 7, 10)):
            yield at, f"{year}-{month:02}"


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
