"""Promised against achieved: false pages on stationary traffic."""

from __future__ import annotations

import time
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from scipy import stats

from driftline.bench.detectors.law import EVENTS, draw_reference
from driftline.bench.detectors.laws import LAWS, MONTHS
from driftline.bench.detectors.panes import draw_panes, way_of
from driftline.bench.detectors.watched import Watched, contract_for, is_page, needs_of
from driftline.contract import Rate
from driftline.detect import budget_slots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.bench.detectors.law import Law
    from driftline.bench.detectors.panes import Way
    from driftline.contract import Contract

__all__ = ["Kept", "Outcome", "Stream", "find", "gather", "plan", "watch"]

PROMISE_SLOTS = 4_000
"""Slots for which one page is promised, where the contract's default is not what is watched."""
CONFIDENCE = 0.95
MOST = 1.3
"""What the upper bound of achieved over promised may be."""

Verdict = Literal["kept", "broken", "too few to tell"]


class Stream(NamedTuple):
    """One stream to watch: a fresh reference of the law, then so many slots."""

    law: str
    number: int
    slots: int
    seed: int
    detectors: tuple[str, ...] | None


class Outcome(NamedTuple):
    """What one stream came to; seconds of CPU for reference, drawing and detection.

    ``raised`` counts what each detector raised as a page: several may be one incident.
    """

    law: str
    slots: int
    promised: float
    pages: int
    raised: dict[str, int]
    way: Way
    reference_s: float
    draw_s: float
    detect_s: float


def plan(
    law: str, slots: int, streams: int, seed: int, detectors: tuple[str, ...] | None
) -> list[Stream]:
    """Cut the slots for which a law is watched into streams.

    Parameters
    ----------
    streams
        References drawn of a law where these are short, as luck weighs most there; half as many
        from 20,000 rows on, a fifth from 100,000 on: building one takes a minute then.
    """
    count = _references(find(law).rows, streams)
    return [Stream(law, number, slots // count, seed, detectors) for number in range(count)]


def _references(rows: int, most: int) -> int:
    part = 5 if rows >= 100_000 else 2 if rows >= 20_000 else 1
    return max(1, most // part)


def find(name: str) -> Law:
    """Return a law by its name."""
    return LAWS[name] if name in LAWS else MONTHS[name]


def contract_of(stream: Stream) -> Contract:
    """Return what is promised on a stream."""
    law = find(stream.law)
    budget = None if stream.law in MONTHS else Rate(count=1, per=PROMISE_SLOTS * law.slot)
    return contract_for(law.slot, budget, stream.detectors)


def watch(stream: Stream) -> Outcome:
    """Watch one stream; a pure function of its argument."""
    law, contract = find(stream.law), contract_of(stream)
    about = [stream.seed, zlib.crc32(stream.law.encode()), stream.number]
    rng = np.random.default_rng(about)
    begun = time.process_time()
    reference = draw_reference(law, contract, rng)
    watched = Watched(contract, reference)
    reference_s = time.process_time() - begun
    first = -(-law.rows // EVENTS)
    needs = needs_of(contract)
    pages, raised = 0, Counter[str]()
    detect_s = 0.0
    begun = time.process_time()
    panes = draw_panes(law, reference, rng, first, stream.slots, needs, contract.sample)
    for number, pane in enumerate(panes, first):
        before = time.process_time()
        findings, changes = watched.step(number, pane)
        detect_s += time.process_time() - before
        pages += sum(map(is_page, changes))
        raised.update(f.detector for f in findings if f.state == "raised" and f.severity == "page")
    draw_s = time.process_time() - begun - detect_s
    promised = stream.slots / budget_slots(contract)
    return Outcome(
        stream.law,
        stream.slots,
        promised,
        pages,
        dict(raised),
        way_of(law, needs),
        reference_s,
        draw_s,
        detect_s,
    )


@dataclass(frozen=True)
class Kept:
    """What a law's streams came to together."""

    law: str
    about: str
    outcomes: tuple[Outcome, ...]

    @property
    def slots(self) -> int:
        """Slots watched."""
        return sum(o.slots for o in self.outcomes)

    @property
    def promised(self) -> float:
        """Pages that were allowed."""
        return sum(o.promised for o in self.outcomes)

    @property
    def achieved(self) -> int:
        """Pages there were."""
        return sum(o.pages for o in self.outcomes)

    @property
    def raised(self) -> dict[str, int]:
        """What each detector raised as a page."""
        return dict(sum((Counter(o.raised) for o in self.outcomes), Counter[str]()))

    @property
    def ratio(self) -> float:
        """Achieved over promised."""
        return self.achieved / self.promised

    @property
    def upper(self) -> float:
        """Exact upper bound of the ratio, Poisson, one-sided (Garwood 1936)."""
        bound = stats.chi2.ppf(CONFIDENCE, 2 * self.achieved + 2) / 2
        return float(bound) / self.promised

    @property
    def lower(self) -> float:
        """Exact lower bound of the ratio, likewise."""
        if not self.achieved:
            return 0.0
        bound = stats.chi2.ppf(1 - CONFIDENCE, 2 * self.achieved) / 2
        return float(bound) / self.promised

    @property
    def worst(self) -> int:
        """Pages of the stream that had most: one unlucky reference shows here."""
        return max(o.pages for o in self.outcomes)

    @property
    def verdict(self) -> Verdict:
        """Say whether the promise was kept."""
        if self.ratio <= 1 and self.upper <= MOST:
            return "kept"
        return "broken" if self.lower > 1 else "too few to tell"

    def us_a_slot(self, part: Literal["draw_s", "detect_s"]) -> float:
        """Return the CPU microseconds that drawing or detecting a slot took."""
        return 1e6 * sum(getattr(o, part) for o in self.outcomes) / self.slots

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "law": self.law,
            "about": self.about,
            "panes": self.outcomes[0].way,
            "streams": len(self.outcomes),
            "slots": self.slots,
            "promised": round(self.promised, 4),
            "achieved": self.achieved,
            "raised": self.raised,
            "ratio": round(self.ratio, 4),
            "upper_95": round(self.upper, 4),
            "lower_95": round(self.lower, 4),
            "worst_stream": self.worst,
            "verdict": self.verdict,
            "draw_us_a_slot": round(self.us_a_slot("draw_s"), 1),
            "detect_us_a_slot": round(self.us_a_slot("detect_s"), 1),
            "reference_s": round(sum(o.reference_s for o in self.outcomes), 1),
        }


def gather(outcomes: Sequence[Outcome]) -> list[Kept]:
    """Put streams together by law, in the order in which laws first come."""
    names = list(dict.fromkeys(o.law for o in outcomes))
    return [
        Kept(name, find(name).about, tuple(o for o in outcomes if o.law == name)) for name in names
    ]
