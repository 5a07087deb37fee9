"""Which of several contracts is better, in words: the first thing that a reader wants to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.stats import binomtest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from driftline.replay.compare.candidates import Candidate
    from driftline.replay.compare.score import Score

__all__ = ["Judgement", "exactly", "judge"]

SIGNIFICANT = 0.05
FEW = 2
"""Pages below which nobody would speak of so many times as many."""
_UNITS = ((86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"), (1_000_000, "s"))


@dataclass(frozen=True)
class Judgement:
    """What came of a comparison.

    Attributes
    ----------
    best
        Letter of the contract that is at least as good as every other in each respect; None where
        it is a choice, or where they are alike.
    sentence
        All of it in one sentence.
    caution
        What to keep in mind of it; may be empty.
    """

    best: str | None
    sentence: str
    caution: str = ""


def judge(scored: Sequence[tuple[Candidate, Score]]) -> Judgement:
    """Compare contracts by what they find, how soon, and how often they wake somebody for nothing.

    Where nothing is known of what happened, by how often they wake somebody.
    """
    first = scored[0]
    best = _best(scored)
    if len(scored) == 2:
        return _of_two(first, scored[1], best)
    if best is None:
        if _alike(scored):
            return Judgement(None, f"All {len(scored)} come to the same: each {_alone(first[1])}.")
        return Judgement(None, f"None of the {len(scored)} is best: {_strengths(scored)}.")
    winner = next(pair for pair in scored if pair[0].letter == best)
    others = [pair for pair in scored if pair is not winner]
    runner = first if winner is not first else max(others, key=lambda pair: _rank(pair[1]))
    told = _against(winner[1], runner[0].letter, runner[1])
    head = f"{best} is the best of {len(scored)}: it {told}."
    return Judgement(best, head, _chance(winner, runner))


def _of_two(
    first: tuple[Candidate, Score], second: tuple[Candidate, Score], best: str | None
) -> Judgement:
    if _alike([first, second]):
        return Judgement(None, f"A and B come to the same: each {_alone(first[1])}.")
    if best == "A":
        told = _against(first[1], "B", second[1])
        return Judgement("A", f"A is better: it {told}.", _chance(first, second))
    told = _against(second[1], "A", first[1])
    if best is None:
        return Judgement(None, f"It is a choice: B {told}.", _chance(second, first))
    return Judgement("B", f"B is better: it {told}.", _chance(second, first))


def _noise(score: Score) -> int:
    """Return how often somebody is woken for nothing, or at all where that is not known."""
    if score.complete or score.judged("true") + score.judged("false"):
        return score.judged("false")
    return len(score.pages)


def _rank(score: Score) -> tuple[float, float, float]:
    """Return how good a contract is: what is larger is better."""
    return score.found, -_noise(score), -(score.delay or 0.0)


def _alike(scored: Sequence[tuple[Candidate, Score]]) -> bool:
    """Tell whether they come to the same in every figure."""
    told = [
        (len(s.pages), _noise(s), s.judged(None), [each.delay for each in s.findings])
        for _, s in scored
    ]
    return all(each == told[0] for each in told)


def _best(scored: Sequence[tuple[Candidate, Score]]) -> str | None:
    """Return who is at least as good as all others in each respect, and better in one."""
    if not scored[0][1].complete and not scored[0][1].findings:
        return None  # fewer pages are better only where it is known that nothing was missed
    for candidate, score in scored:
        others = [other for _, other in scored if other is not score]
        if all(_beats(score, other) for other in others):
            return candidate.letter
    return None


def _beats(one: Score, other: Score) -> bool:
    pairs = [
        (float(one.found), float(other.found)),
        (-float(_noise(one)), -float(_noise(other))),
        (-float(one.judged("expected")), -float(other.judged("expected"))),
        *(
            (-float(mine.delay), -float(theirs.delay))
            for mine, theirs in zip(one.findings, other.findings, strict=True)
            if mine.delay is not None and theirs.delay is not None
        ),
    ]
    return all(mine >= theirs for mine, theirs in pairs) and any(m > t for m, t in pairs)


def _alone(score: Score) -> str:
    if not score.findings:
        return f"has {_count(len(score.pages), 'page')}"
    return (
        f"finds {score.found} of {len(score.findings)} known changes with "
        f"{_count(_noise(score), 'false page')}"
    )


def _strengths(scored: Sequence[tuple[Candidate, Score]]) -> str:
    """Say who is quietest, who finds most and who is soonest."""
    scores = [score for _, score in scored]
    judged = _judged(scores[0])
    least = min(map(_noise, scores))
    what = "pages for nothing" if judged else "pages"
    who = _who(scored, lambda score: _noise(score) == least)
    said = [f"{who} least often {what} ({_times(least)})"]
    if judged and scores[0].findings:
        most = max(score.found for score in scores)
        if any(score.found < most for score in scores):
            who = _who(scored, lambda score: score.found == most)
            said.append(f"{who} finds most ({most} of {len(scores[0].findings)})")
        delays = [score.delay for score in scores if score.delay is not None]
        if delays:
            soonest = min(delays)
            who = _who(scored, lambda score: score.delay == soonest)
            said.append(f"{who} is soonest (after {exactly(soonest)})")
    return ", ".join(said)


def _who(scored: Sequence[tuple[Candidate, Score]], wanted: Callable[[Score], bool]) -> str:
    letters = [candidate.letter for candidate, score in scored if wanted(score)]
    return letters[0] if len(letters) == 1 else f"each of {', '.join(letters)}"


def _judged(score: Score) -> bool:
    """Tell whether it is known of any page what it was worth."""
    return bool(score.findings) or score.complete


def _against(one: Score, letter: str, other: Score) -> str:
    """Say how one compares with another: how often it pages, what it finds, how soon."""
    said, alike = _quieter(one, letter, other)
    if not one.findings:
        unknown = "" if one.complete else ", and nobody has said what really happened"
        return (said or [(0.0, alike)])[0][1] + unknown
    more = one.found - other.found
    if more:
        what = _things(abs(more), len(one.findings))
        said.append((more, f"finds {what} that {letter} misses" if more > 0 else f"misses {what}"))
    both = [
        mine.delay - theirs.delay
        for mine, theirs in zip(one.findings, other.findings, strict=True)
        if mine.delay is not None and theirs.delay is not None
    ]
    moved = sorted(delay for delay in both if delay)
    if moved:
        change = moved[len(moved) // 2]
        others = more and len(moved) == len(both)
        what = "the others" if others else _things(len(moved), len(one.findings))
        median = " (median)" if len(moved) > 1 else ""
        when = f"{exactly(abs(change))} {'later' if change > 0 else 'sooner'}{median}"
        said.append((-change, f"finds {what} {when}"))
    elif both and not more:
        what = _things(len(both), len(one.findings))
        alike += f"{', and ' if alike else ''}both find {what} at the same time"
    elif not one.found and not more:
        alike += f"{', and ' if alike else ''}neither finds what happened"
    mine, theirs = one.judged("expected"), other.judged("expected")
    if mine != theirs:
        told = f"{_often('pages', mine)} about what was expected ({letter}: {_times(theirs)})"
        said.append((theirs - mine, told))
    if not said:
        mine, theirs = len(one.pages), len(other.pages)
        told = f"{_often('pages', mine)} in all ({letter}: {_times(theirs)})"
        said.append((theirs - mine, told))
    return _joined(said) + (f"; {alike}" if alike else "")


def _joined(said: Sequence[tuple[float, str]]) -> str:
    """Join what is better (above 0), alike or worse, with "but" where it turns."""
    text, good = said[0][1], said[0][0]
    for value, told in said[1:]:
        text += f", {'but' if value * good < 0 else 'and'} {told}"
        good = value or good
    return text


def _quieter(one: Score, letter: str, other: Score) -> tuple[list[tuple[float, str]], str]:
    """Say how much less (above 0) or more one pages than another; or in what they are alike."""
    judged = _judged(one)
    what = "pages for nothing" if judged else "pages"
    mine, theirs = (_noise(one), _noise(other)) if judged else (len(one.pages), len(other.pages))
    if mine == theirs:
        both = f"both page{' for nothing' if judged else ''} {_times(mine)}"
        return [], both if mine else f"neither {what}"
    better = theirs - mine
    if min(mine, theirs) < FEW:
        told = f"{_often(what, mine)} ({letter}: {_times(theirs)})"
    else:
        factor = max(mine, theirs) / min(mine, theirs)
        times = f"{factor:.0f} times" if factor >= 1.95 else f"{abs(mine - theirs) / theirs:.0%}"
        told = f"{what} {times} {'less' if mine < theirs else 'more'} ({mine} against {theirs})"
    return [(better, told)], ""


def _often(what: str, count: int) -> str:
    return f"{what} {_times(count)}" if count else f"never {what}"


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _chance(one: tuple[Candidate, Score], other: tuple[Candidate, Score]) -> str:
    """Say so where as great a difference in false pages may well be chance."""
    mine, theirs = _noise(one[1]), _noise(other[1])
    months = one[1].months + other[1].months
    if mine == theirs or months <= 0:
        return ""
    share = one[1].months / months
    p = float(binomtest(mine, mine + theirs, share).pvalue)
    if p < SIGNIFICANT:
        return ""
    return "So small a difference in pages may be chance."


def _things(count: int, of: int) -> str:
    if of == 1:
        return "the one known change"
    if count == of:
        return f"all {of} known changes"
    return f"{count} of {of} known changes"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def exactly(duration: float) -> str:
    """Return a length of time in its two largest units: "2 h 10 min"."""
    left = round(duration / 1e6) * 1_000_000
    parts: list[str] = []
    for size, unit in _UNITS:
        if left >= size or (parts and left):
            if left // size:
                parts.append(f"{left // size} {unit}")
            left %= size
            if len(parts) == 2 or (parts and not left):
                break
    return " ".join(parts) or "0 s"
