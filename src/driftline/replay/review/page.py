"""A review as one HTML page, to be printed or sent, with nothing to load."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from driftline.events.time import format_ts, short_ts
from driftline.replay.page import read_assets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.replay.review.answers import Answer
    from driftline.replay.review.evidence import Evidence
    from driftline.replay.review.facts import Facts

__all__ = ["page"]

MARKS = {
    "good": ("good", "✓"),
    "look at this": ("warn", "!"),
    "bad": ("bad", "✗"),
    "cannot be told yet": ("open", "…"),
    "nobody has said": ("none", "?"),
}


def page(facts: Facts, answers: Sequence[Answer]) -> str:
    """Write the page."""
    style = read_assets("report.css", "review.css")
    model = escape(facts.contract.model)
    assert facts.as_of is not None
    until = short_ts(format_ts(facts.as_of))
    cards = "\n".join(_card(number, each) for number, each in enumerate(answers, 1))
    index = "".join(
        f'<li><a href="#q{number}"><span class="mark {MARKS[each.verdict][0]}">'
        f"{MARKS[each.verdict][1]}</span>{escape(each.question)}</a></li>"
        for number, each in enumerate(answers, 1)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{model}: review</title><style>{style}</style></head><body>"
        f'<main class="review"><header><h1>{model}</h1><p class="quiet">Reviewed on what was known '
        f"by {until} UTC, against contract {facts.contract.fingerprint}.</p>"
        f'<ol class="index">{index}</ol></header>{cards}</main></body></html>\n'
    )


def _table(evidence: Evidence) -> str:
    if not evidence.rows:
        return ""
    head, *rows = evidence.rows
    return (
        f"<div class=scroll><table><thead>{_cells(head, 'th')}</thead>"
        f"<tbody>{''.join(_cells(row, 'td') for row in rows)}</tbody></table></div>"
    )


def _cells(row: Sequence[str], tag: str) -> str:
    first, *rest = (escape(each) for each in row)
    others = "".join(f"<{tag} class=num>{each}</{tag}>" for each in rest)
    return f"<tr><{tag}>{first}</{tag}>{others}</tr>"


def _card(number: int, answer: Answer) -> str:
    mark, sign = MARKS[answer.verdict]
    rows = "".join(
        f"<li>{escape(each.text)} <small>{escape(each.source)}</small>{_table(each)}</li>"
        for each in answer.evidence
    )
    return (
        f'<section class="answer {mark}" id="q{number}"><h2>{escape(answer.question)}</h2>'
        f'<p class="verdict"><span class="mark {mark}">{sign}</span>{escape(answer.verdict)}</p>'
        f'<p class="said">{escape(answer.text)}</p><ul>{rows}</ul></section>'
    )
