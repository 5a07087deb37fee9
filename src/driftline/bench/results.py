"""What a throughput run found: rounds, their middle and spread, and ratios within a round."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from driftline.bench.entrants import RATIOS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Round", "Spread", "Throughput"]


class Spread(NamedTuple):
    """Middle, smallest and largest of some figures."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> Spread:
        """Summarise at least one figure."""
        held = list(figures)
        return cls(median(held), min(held), max(held))


@dataclass(frozen=True)
class Round:
    """One run of one program, between its first event and its last."""

    events: int
    wall_s: float
    cpu_s: float
    rss_mb: float

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Round:
        """Take what a program said of itself."""
        return cls(said["events"], said["wall_s"], said["cpu_s"], said["rss_mb"])

    @property
    def per_s(self) -> float:
        """Events a second of wall time."""
        return self.events / self.wall_s

    @property
    def per_cpu_s(self) -> float:
        """Events a second of CPU time, all threads of the process."""
        return self.events / self.cpu_s


@dataclass(frozen=True)
class Throughput:
    """Everything a run found."""

    machine: str
    note: str
    events: int
    bytes_each: float
    event_rate: float
    partitions: int
    titles: Mapping[str, str]
    rounds: Mapping[str, list[Round]]
    skipped: Mapping[str, str]
    seconds: float

    def per_s(self, key: str) -> Spread:
        """Events a second of a program."""
        return Spread.of(done.per_s for done in self.rounds[key])

    def per_cpu_s(self, key: str) -> Spread:
        """Events a CPU second of a program."""
        return Spread.of(done.per_cpu_s for done in self.rounds[key])

    def rss_mb(self, key: str) -> float:
        """Peak memory of a program, the largest of its rounds."""
        return max(done.rss_mb for done in self.rounds[key])

    def ratios(self) -> dict[tuple[str, str], Spread]:
        """Events a CPU second of one program over another's of the same round."""
        return {
            (one, other): Spread.of(
                a.per_cpu_s / b.per_cpu_s
                for a, b in zip(self.rounds[one], self.rounds[other], strict=False)
            )
            for one, other in RATIOS
            if self.rounds.get(one) and self.rounds.get(other)
        }

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "bench": "throughput",
            "machine": self.machine,
            "note": self.note,
            "events": self.events,
            "bytes_each": round(self.bytes_each, 1),
            "event_rate_per_s": self.event_rate,
            "partitions": self.partitions,
            "seconds": round(self.seconds, 1),
            "programs": [self._program(key) for key in self.titles],
            "ratios_per_cpu_second": [
                {"of": one, "to": other, **spread._asdict()}
                for (one, other), spread in self.ratios().items()
            ],
        }

    def _program(self, key: str) -> dict[str, Any]:
        about: dict[str, Any] = {"program": key, "title": self.titles[key]}
        if not self.rounds.get(key):
            return {**about, "skipped": self.skipped.get(key, "not measured")}
        return {
            **about,
            "events_per_second": self.per_s(key)._asdict(),
            "events_per_cpu_second": self.per_cpu_s(key)._asdict(),
            "peak_rss_mb": self.rss_mb(key),
            "rounds": [asdict(done) for done in self.rounds[key]],
        }
