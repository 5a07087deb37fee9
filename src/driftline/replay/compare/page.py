"""``report.html`` of a comparison: first which is better, then why, with nothing beside it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from driftline.events.time import format_ts, short_ts
from driftline.replay.compare.candidates import differences
from driftline.replay.compare.verdict import exactly
from driftline.replay.compare.words import columns_of, delay_of, row_of
from driftline.replay.page import CHART_SCRIPTS, read_assets, to_script

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.replay.compare.pairs import Pair
    from driftline.replay.compare.run import Comparison
    from driftline.replay.compare.score import Alarm, Finding, Score

__all__ = ["write_page"]

MAX_ALARMS = 2_000
"""Marks in a lane; of more the first."""
MAX_KNOWN = 200
MAX_NEAR = 4
"""Things that happened which are drawn by themselves."""
MAX_PAIRS = 100
MAX_FIELDS = 100
TEXT = 200
ROOM = 0.12
"""Of a close-up, before what happened and after the last page."""


def write_page(comparison: Comparison, out: Path) -> None:
    """Write the page beside the outputs.

    Notes
    -----
    Bounded: 16 lanes of 2,000 alarms, 200 things that happened.
    """
    body = [
        _head(comparison),
        _lanes(comparison),
        _near(comparison),
        _table(comparison),
        _happened(comparison),
        *(_against(comparison, place) for place in range(1, len(comparison.scored))),
        _fields(comparison),
    ]
    style = read_assets("uPlot.min.css", "report.css", "compare.css")
    script = read_assets(*CHART_SCRIPTS, "compare.js")
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(comparison.judgement.sentence)}</title><style>{style}</style></head>"
        "<body><main>"
        + "\n".join(body)
        + f'</main><script type="application/json" id="data">{to_script(_data(comparison))}'
        f"</script><script>{script}</script></body></html>\n"
    )
    (out / "report.html").write_text(text, encoding="utf-8")


def _data(comparison: Comparison) -> dict[str, Any]:
    """Return what the page's script draws; times in seconds."""
    return {
        "first": comparison.first / 1e6,
        "last": comparison.last / 1e6,
        "known": [
            {
                "name": known.name,
                "since": known.since / 1e6,
                "until": None if known.until is None else known.until / 1e6,
            }
            for known in comparison.known.happened[:MAX_KNOWN]
        ],
        "lanes": [
            {
                "letter": candidate.letter,
                "name": candidate.name,
                "told": _told_at_the_end(score, comparison),
                "alarms": [_mark(alarm) for alarm in score.alarms[:MAX_ALARMS]],
            }
            for candidate, score in comparison.scored
        ],
        "promises": _promises(comparison),
    }


def _mark(alarm: Alarm) -> dict[str, Any]:
    return {
        "at": (alarm.at if alarm.paged_at is None else alarm.paged_at) / 1e6,
        "page": alarm.paged_at is not None,
        "verdict": alarm.verdict,
        "named": alarm.named,
        "text": alarm.text[:TEXT],
    }


def _told_at_the_end(score: Score, comparison: Comparison) -> str:
    """Return what stands behind a lane."""
    pages = _count(len(score.pages), "page")
    if not comparison.known.all:
        return pages
    false = score.judged("false")
    return f"{pages}, {false:,} false" if false else f"{pages}, none false"


def _promises(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the false pages that are promised at most, a second, by the contracts that say so."""
    rates: dict[float, list[str]] = {}
    for candidate, _ in comparison.scored:
        budgets = [contract.budget.false_pages for contract in candidate.book]
        rate = sum(each.count / each.per for each in budgets) * 1e6
        rates.setdefault(rate, []).append(candidate.letter)
    return [{"letters": ", ".join(letters), "rate": rate} for rate, letters in rates.items()]


def _head(comparison: Comparison) -> str:
    span = " to ".join(_short(each) for each in (comparison.first, comparison.last))
    known = comparison.known
    if known.complete:
        told = f"against {_count(len(known.happened), 'known change')}"
    elif known.all:
        told = f"against {_count(len(known.all), 'incident')} that people have judged"
    else:
        told = "with nothing known of what really happened"
    names = "".join(
        f"<span{_best(comparison, candidate.letter)}><b>{candidate.letter}</b> "
        f"{escape(candidate.name)}</span>"
        for candidate, _ in comparison.scored
    )
    return (
        f"<header><h1>{escape(comparison.judgement.sentence)}</h1>"
        f"<p>{escape(comparison.judgement.caution)}</p>"
        f'<p class="quiet">{comparison.events:,} events, {span} UTC, {told}.</p>'
        f'<div class="names">{names}</div></header>'
    )


def _best(comparison: Comparison, letter: str) -> str:
    return ' class="best"' if letter == comparison.judgement.best else ""


def _lanes(comparison: Comparison) -> str:
    return (
        f'<section><div class="lanes" data-from="{comparison.first / 1e6}" '
        f'data-to="{comparison.last / 1e6}"></div>{_key(comparison)}</section>'
    )


def _key(comparison: Comparison) -> str:
    known = bool(comparison.known.all)
    shapes = {
        "true page": '<circle cx="7" cy="7" r="6" fill="var(--true)"/>',
        "false page": '<path d="M2 2L12 12M2 12L12 2" stroke="var(--false)" stroke-width="3"/>',
        "page" if not known else "page nobody has judged": (
            '<rect x="2" y="2" width="10" height="10" fill="var(--unknown)"/>'
        ),
        "notice, which wakes nobody": (
            '<circle cx="7" cy="7" r="4" fill="none" stroke="var(--quiet)" stroke-width="2"/>'
        ),
    }
    if not known:
        shapes = dict(list(shapes.items())[2:])
    elif comparison.known.complete:
        del shapes["page nobody has judged"]
    told = "".join(
        f'<span><svg viewBox="0 0 14 14">{shape}</svg>{name}</span>'
        for name, shape in shapes.items()
    )
    shade = '<span><i class="shade"></i>what really happened</span>' if known else ""
    return f'<div class="key">{told}{shade}</div>'


def _near(comparison: Comparison) -> str:
    """Close-ups of what happened: on the whole axis a delay of hours is no wider than a mark."""
    boxes: list[str] = []
    for place, finding in enumerate(comparison.scored[0][1].findings):
        delays = [
            score.findings[place].delay or 0
            for _, score in comparison.scored
            if score.findings[place].alarm is not None
        ]
        longest = max(delays, default=0)
        whole = comparison.last - comparison.first
        if not longest or longest > whole / 3 or len(boxes) == MAX_NEAR:
            continue
        since = finding.known.since
        low, high = since - longest * ROOM, since + longest * (1 + ROOM)
        boxes.append(
            f"<div><h3>{escape(finding.known.model)}: {escape(finding.known.name)}, "
            f"since {_short(since)}</h3>"
            f'<div class="lanes" data-near="{place}" data-from="{low / 1e6}" '
            f'data-to="{high / 1e6}"></div>'
            "</div>"
        )
    if not boxes:
        return ""
    return f'<section><h2>How soon</h2><div class="near">{"".join(boxes)}</div></section>'


def _table(comparison: Comparison) -> str:
    columns = columns_of(comparison)
    head = "".join(f'<th class="num">{escape(name)}</th>' for name in columns)
    rows = "".join(
        f"<tr{_best(comparison, candidate.letter)}><td>{candidate.letter}</td>"
        f"<td>{escape(candidate.name)}</td>"
        + "".join(f'<td class="num">{escape(cell)}</td>' for cell in row_of(score, comparison))
        + "</tr>"
        for candidate, score in comparison.scored
    )
    note = ""
    if comparison.known.complete:
        note = (
            '<p class="quiet">A month has 30 days; in brackets the 95 % interval of the rate. '
            "Found: of what happened, how much was paged; delay: the median of those.</p>"
        )
    elif comparison.known.all:
        note = (
            '<p class="quiet">People judge what they were paged for. Of a page that they were '
            "never sent nobody can know, and precision is of those that were judged.</p>"
        )
    return (
        '<section><h2>In figures</h2><div class="scroll"><table><thead><tr><th></th>'
        f"<th>contract</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}"
        '<h3>Pages as they add up</h3><div class="lanes" id="sums"></div></section>'
    )


def _happened(comparison: Comparison) -> str:
    findings = comparison.scored[0][1].findings
    if not findings:
        return ""
    head = "".join(f"<th>{c.letter} pages after</th>" for c, _ in comparison.scored)
    rows = "".join(
        f"<tr><td>{escape(finding.known.model)}: {escape(finding.known.name)}</td>"
        f'<td class="time">{_short(finding.known.since)}</td>'
        + "".join(_late(score.findings[place]) for _, score in comparison.scored)
        + "</tr>"
        for place, finding in enumerate(findings[:MAX_KNOWN])
    )
    more = len(findings) - MAX_KNOWN
    note = f'<p class="quiet">{more:,} more are in comparison.json.</p>' if more > 0 else ""
    return (
        "<section><h2>What happened, and how late it was paged</h2><div class=scroll><table>"
        f"<thead><tr><th>what</th><th>since</th>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"</div>{note}</section>"
    )


def _late(finding: Finding) -> str:
    missed = ' class="late"' if finding.alarm is None else ""
    named = "" if finding.alarm is None else f"<br><small>{escape(finding.alarm.named)}</small>"
    return f"<td{missed}>{escape(delay_of(finding))}{named}</td>"


def _against(comparison: Comparison, place: int) -> str:
    """All alarms of one contract beside those of the first."""
    letter = comparison.scored[place][0].letter
    pairs = comparison.pairs[letter]
    told = [pair for pair in pairs if pair.later != 0 or pair.first is None]
    same = len(pairs) - len(told)
    base = comparison.scored[0][0].letter
    rows = "".join(_pair(pair, base, letter) for pair in told[:MAX_PAIRS])
    notes = [f"{_count(same, 'alarm')} came at the same time from both."] if same else []
    if len(told) > MAX_PAIRS:
        notes.append(f"{len(told) - MAX_PAIRS:,} more are in comparison.json.")
    note = f'<p class="quiet">{" ".join(notes)}</p>' if notes else ""
    if not told:
        return f"<section><h2>{letter} beside {base}</h2>{note or '<p>No alarms.</p>'}</section>"
    return (
        f'<section><h2>{letter} beside {base}, alarm by alarm</h2>{note}<div class="scroll"><table>'
        f"<thead><tr><th>{base}</th><th>{letter}</th><th>{letter} comes</th><th>what</th>"
        f"<th>was</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _pair(pair: Pair, base: str, letter: str) -> str:
    alarm = pair.other or pair.first
    assert alarm is not None
    later = pair.later
    if later is None:
        how = f"only {letter}" if pair.first is None else f"only {base}"
    else:
        how = "at the same time" if not later else exactly(abs(later))
        how += "" if not later else " later" if later > 0 else " sooner"
    return (
        f'<tr><td class="time">{_told(pair.first)}</td><td class="time">{_told(pair.other)}</td>'
        f'<td>{how}</td><td class="what">{escape(alarm.model)}: {escape(alarm.named)} '
        f"({escape(alarm.kind)})<br><small>{escape(alarm.text[:TEXT])}</small></td>"
        f'<td class="{alarm.verdict or "verdict"}">{alarm.verdict or "not judged"}</td></tr>'
    )


def _told(alarm: Alarm | None) -> str:
    if alarm is None:
        return "–"
    if alarm.paged_at is None:
        return f"{_short(alarm.at)} <small>notice</small>"
    return _short(alarm.paged_at)


def _fields(comparison: Comparison) -> str:
    (base, _), *others = comparison.scored
    rows = []
    for candidate, _ in others:
        rows += [
            f"<tr><td>{candidate.letter}</td><td><code>{escape(path)}</code></td>"
            f"<td><code>{escape(before)}</code></td><td><code>{escape(after)}</code></td></tr>"
            for path, before, after in differences(base, candidate)
        ]
    return (
        "<section><h2>How the contracts differ</h2><div class=scroll><table><thead><tr><th></th>"
        f"<th>field</th><th>{base.letter} says</th><th>it says</th></tr></thead>"
        f"<tbody>{''.join(rows[:MAX_FIELDS])}</tbody></table></div></section>"
    )


def _short(at: int) -> str:
    return short_ts(format_ts(at))


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
