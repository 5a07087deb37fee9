"""What is known to have happened: a truth file, or what people have judged."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from driftline.errors import UsageError
from driftline.events.errors import Fault
from driftline.events.time import format_ts, parse_ts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["Known", "KnownAll", "read_truth", "read_verdicts"]

MOST = 10_000
SINCE = ("since", "start")
UNTIL = ("until", "end")
_ROW = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True)
class Known:
    """Something that is known to have happened to a model.

    Attributes
    ----------
    features
        It shows in any of them; None among them is the model as a whole. Empty: in whatever it may.
    kinds
        Kinds of incident that name it rightly; empty: any.
    since, until
        Event time, microseconds; without an end it went on to the end.
    verdict
        "true", "false" (nothing had happened) or "expected" (it had, and nobody need be told).
    """

    model: str
    features: tuple[str | None, ...]
    kinds: tuple[str, ...]
    since: int
    until: int | None
    verdict: str = "true"

    @property
    def name(self) -> str:
        """What it is called."""
        named = [feature for feature in self.features if feature]
        more = f" and {len(named) - 1} more" if len(named) > 1 else ""
        kind = f" ({self.kinds[0]})" if self.kinds else ""
        return f"{named[0] if named else 'the whole model'}{more}{kind}"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "model": self.model,
            "features": list(self.features),
            "kinds": list(self.kinds),
            "since": format_ts(self.since),
            "until": None if self.until is None else format_ts(self.until),
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class KnownAll:
    """All that is known.

    Attributes
    ----------
    complete
        Whether nothing else has happened: a page about anything else is then false. People judge
        what they were paged for, so of a page that nobody was sent nothing is known.
    """

    all: tuple[Known, ...] = ()
    complete: bool = False

    @property
    def happened(self) -> list[Known]:
        """What an alarm should find."""
        return [each for each in self.all if each.verdict == "true"]


def read_truth(path: Path) -> KnownAll:
    """Read a truth file.

    Parameters
    ----------
    path
        ``.csv`` or ``.jsonl`` with ``model``, ``since``, and where they are known ``feature``,
        ``kind`` and ``until``; one thing that shows in several columns names them with ``;``
        between (or in a list); or the ``truth.json`` that `driftline simulate` writes.

    Raises
    ------
    UsageError
        It cannot be read: the row and the field are named.
    """
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".jsonl", ".json"}:
        msg = f"--truth {path}: expected a file ending in .csv, .jsonl or .json"
        raise UsageError(msg)
    try:
        if suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows: list[Any] = [
                    {key: value for key, value in row.items() if value}
                    for row in csv.DictReader(file)
                ]
        elif suffix == ".jsonl":
            rows = [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
        else:
            rows = orjson.loads(path.read_bytes())["faults"]
    except OSError as error:
        msg = f"--truth {path}: expected a file that can be read ({error.strerror})"
        raise UsageError(msg) from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        msg = f"--truth {path}: expected rows with model and since ({error})"
        raise UsageError(msg) from error
    if not 0 < len(rows) <= MOST:
        msg = f"--truth {path}: expected 1 to {MOST:,} rows, got {len(rows):,}"
        raise UsageError(msg)
    known = [_known(row, f"--truth {path}: row {number}") for number, row in enumerate(rows, 1)]
    return KnownAll(tuple(sorted(known, key=lambda each: each.since)), complete=True)


def _known(row: Any, place: str) -> Known:
    if not isinstance(row, dict) or not isinstance(row.get("model"), str):
        msg = f"{place}: expected a field model, got {orjson.dumps(row).decode()[:60]}"
        raise UsageError(msg)
    since = _time(row, SINCE, place)
    if since is None:
        msg = f"{place}: expected a field since, got nothing"
        raise UsageError(msg)
    until = _time(row, UNTIL, place)
    if until is not None and until <= since:
        msg = f"{place}: until: expected a time after since, got {row.get('until') or row['end']}"
        raise UsageError(msg)
    # A simulated fault has a kind of its own, and says which kinds of alert name it.
    kinds = row.get("shows_as") or row.get("kind") or ()
    features = row.get("feature") or ()
    if isinstance(features, str):
        features = [name.strip() for name in features.split(";")]
    return Known(
        row["model"],
        tuple(str(name) for name in features),
        (kinds,) if isinstance(kinds, str) else tuple(kinds),
        since,
        until,
    )


def _time(row: Mapping[str, Any], names: Iterable[str], place: str) -> int | None:
    for name in names:
        value = row.get(name)
        if value is not None:
            if isinstance(value, str) and value.replace(".", "", 1).isdigit():
                value = float(value)  # a table has text alone
            try:
                return parse_ts(value)
            except Fault as fault:
                msg = f"{place}: {name}: expected {fault.expected}, got {fault.got}"
                raise UsageError(msg) from fault
    return None


class _Told:
    """What alerts and judgements say of each incident."""

    def __init__(self) -> None:
        self.alerts: dict[str, dict[str, Any]] = {}
        self.verdicts: dict[str, str] = {}

    def take(self, row: dict[str, Any]) -> None:
        data = row.get("data")
        if isinstance(data, dict) and "incident" in data:
            if data.get("number", 0) >= self.alerts.get(data["incident"], {}).get("number", 0):
                self.alerts[data["incident"]] = data
            verdict = data.get("verdict")
            if isinstance(verdict, dict):
                self.verdicts[data["incident"]] = verdict["verdict"]
        elif row.get("kind") == "incident_judged" and isinstance(row.get("incident"), str):
            self.verdicts[row["incident"]] = str(row.get("verdict"))


def read_verdicts(paths: Iterable[Path], replayed: Iterable[Path] = ()) -> KnownAll:
    """Read what people have judged.

    Parameters
    ----------
    paths
        ``.jsonl`` files: alerts, which carry their verdicts, or lifecycle events of kind
        ``incident_judged``, in any mixture.
    replayed
        Alerts of this replay: the same traffic by the same contract has incidents of the same ids,
        so that the events alone may be enough.

    Raises
    ------
    UsageError
        A file cannot be read, or nothing in all of them has been judged.
    """
    judged, own = _Told(), _Told()
    for path in paths:
        for row in _lines(path):
            judged.take(row)
    for path in replayed:
        for row in _lines(path):
            own.take(row)
    known = []
    for incident, verdict in judged.verdicts.items():
        data = judged.alerts.get(incident) or own.alerts.get(incident)
        if data is None or verdict not in {"true", "false", "expected"}:
            continue
        known.append(_of_alert(data, verdict))
    if not known:
        names = ", ".join(map(str, paths))
        msg = (
            f"--verdicts {names}: expected alerts with a verdict, or incident_judged events of "
            f"incidents that are there too, got {len(judged.verdicts)} judged and "
            f"{len(judged.alerts)} alerts"
        )
        raise UsageError(msg)
    return KnownAll(tuple(sorted(known, key=lambda each: each.since)), complete=False)


def _of_alert(data: dict[str, Any], verdict: str) -> Known:
    """Return what a judged incident says: one thing, that shows in any of its columns."""
    until = data.get("resolved_at")
    members = data.get("members") or [data]
    return Known(
        data["model"],
        tuple(dict.fromkeys(member["feature"] for member in members)),
        tuple(dict.fromkeys(member["kind"] for member in members)),
        parse_ts(data["change_point"]),
        None if until is None else parse_ts(until),
        verdict,
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    number = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):  # noqa: B007 - told where it fails
                if line.strip():
                    yield _ROW.decode(line)
    except OSError as error:
        msg = f"--verdicts {path}: expected a file that can be read ({error.strerror})"
        raise UsageError(msg) from error
    except msgspec.MsgspecError as error:
        msg = f"--verdicts {path}: line {number}: expected a JSON object ({error})"
        raise UsageError(msg) from error
