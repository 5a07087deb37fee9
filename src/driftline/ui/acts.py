"""What people decide about incidents, checked and published as lifecycle events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftline.contract.quantities import parse_duration
from driftline.contract.types import SECOND
from driftline.errors import DriftlineError
from driftline.events.errors import Fault
from driftline.events.time import format_ts
from driftline.incidents import acts
from driftline.publish import Publisher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.bus.config import Config

__all__ = ["ACTS", "SILENCES", "VERDICTS", "Act", "ActError", "Desk", "NotSentError", "read_act"]

ACTS = {
    "acknowledge": "incident_acknowledged",
    "silence": "incident_silenced",
    "unsilence": "incident_unsilenced",
    "judge": "incident_judged",
}
"""The lifecycle event of each form."""
SILENCES = ("1h", "4h", "1d", "7d")
VERDICTS = {
    "true": "true: it was right to tell",
    "expected": "expected: it did change, and was meant to",
    "false": "false: nothing was wrong",
}
LONGEST_WHY = 500
FLUSH_S = 10.0


class ActError(DriftlineError):
    """A form that says nothing that can be done."""


class NotSentError(DriftlineError):
    """Kafka did not take an event.

    Operator action: look whether the broker answers, and whether this user may write to the
    lifecycle topic; then decide again.
    """


@dataclass(frozen=True, slots=True)
class Act:
    """One decision about an incident.

    Attributes
    ----------
    kind
        Of the lifecycle event.
    fields
        Of the same, beside ``incident`` and ``by``.
    """

    kind: str
    fields: dict[str, str]


def read_act(name: str, form: Mapping[str, str], incident: str, now: int) -> Act:
    """Read a form.

    Parameters
    ----------
    name
        One of `ACTS`.
    now
        Event time of the decision, from which a silence is counted; microseconds.

    Raises
    ------
    ActError
        In one line what the form lacks.
    """
    why = " ".join(form.get("why", "").split())
    if len(why) > LONGEST_WHY:
        msg = f"why: expected at most {LONGEST_WHY} characters, got {len(why)}"
        raise ActError(msg)
    fields = {"why": why} if why else {}
    if name == "silence":
        end = now + _length(form.get("length", ""))
        fields["until"] = format_ts(end - end % SECOND)
    elif name == "judge":
        fields["verdict"] = form.get("verdict", "")
        if fields["verdict"] != "true" and not why:
            msg = "why: expected a reason, as it was not true, got nothing"
            raise ActError(msg)
    kind = ACTS[name]
    try:
        acts.read_act(kind, now, {"incident": incident, **fields})
    except Fault as fault:
        raise ActError(str(fault).removeprefix("$.")) from None
    return Act(kind, fields)


def _length(text: str) -> int:
    try:
        return parse_duration(text.strip())
    except ValueError:
        msg = f"length: expected a duration such as 4h, got {text.strip() or 'nothing'}"
        raise ActError(msg) from None


class Desk:
    """Publishes decisions. Blocks until the broker has them: call it on a thread of its own."""

    def __init__(self, config: Config) -> None:
        # Where workers look for them; a topic whose events say their type themselves will do.
        topics = [spec.topic for spec in config.sources if spec.type in ("lifecycle", None)]
        self._topic = max(topics, key=lambda name: name.endswith("lifecycle"), default=None)
        connection = config.broker.client()
        self._publisher = Publisher(
            connection.pop("bootstrap_servers"),
            topics={} if self._topic is None else {"lifecycle": self._topic},
            connection=connection,
            on_sigterm=False,
        )

    def send(self, act: Act, model: str, incident: str, by: str) -> dict[str, Any]:
        """Publish one; return the event's own fields.

        Raises
        ------
        NotSentError
            The broker did not take it within ten seconds.
        """
        if self._topic is None:
            msg = "no input of the configuration has lifecycle events: nobody would hear of it"
            raise NotSentError(msg)
        before = self._publisher.counts
        told = {"incident": incident, "by": by, **act.fields}
        self._publisher.lifecycle(act.kind, model=model, **told)
        done = self._publisher.flush(FLUSH_S)
        after = self._publisher.counts
        if after.lost > before.lost:
            lost = [r for r, n in after.dropped.items() if n > before.dropped.get(r, 0)]
            msg = f"Kafka did not take it ({', '.join(lost)}): nothing has been decided"
            raise NotSentError(msg)
        if not done:
            msg = "Kafka does not answer: it waits here, and goes out once the broker is back"
            raise NotSentError(msg)
        return told

    def close(self) -> None:
        """Close the publisher."""
        self._publisher.close()
