"""Telling people through `logging`, a few times and then rarely: faults come by the thousand."""

from __future__ import annotations

import logging
import time
from collections import Counter

__all__ = ["Quiet", "Teller", "logger"]

logger = logging.getLogger("driftline.publish")
FIRST = 3
AGAIN_S = 60.0
SUBJECTS = 200
"""Subjects told apart; beyond that nothing new is told until the process ends."""
CLIENT = (
    "aiokafka",
    "aiokafka.client",
    "aiokafka.conn",
    "aiokafka.cluster",
    "aiokafka.producer.producer",
    "aiokafka.producer.sender",
    "aiokafka.producer.message_accumulator",
)
"""Loggers of the Kafka client, which tell of a broker that is away ten times a second."""


class Teller:
    """Says what it is told, by subject: the first three times, then once a minute."""

    def __init__(self) -> None:
        self._said: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._unsaid: Counter[str] = Counter()

    def due(self, subject: str) -> bool:
        """Return whether to say something about a subject now."""
        now = time.monotonic()
        if subject not in self._said and len(self._said) >= SUBJECTS:
            return False
        if self._said[subject] >= FIRST and now - self._last[subject] < AGAIN_S:
            self._unsaid[subject] += 1
            return False
        self._said[subject] += 1
        self._last[subject] = now
        return True

    def tell(self, subject: str, text: str, *, level: int = logging.WARNING) -> None:
        """Log a line about a subject, unless it was said often enough."""
        if not self.due(subject):
            return
        more = self._unsaid.pop(subject, 0)
        logger.log(level, "%s%s", text, f" ({more:,} more of this kind meanwhile)" if more else "")

    def fault(self, text: str) -> None:
        """Log an exception that should not have been, with its traceback."""
        if self.due("fault"):
            logger.error(text, exc_info=True)  # noqa: LOG014 - called where one is handled


class Quiet(logging.Filter):
    """Lets what the Kafka client says in one thread through a few times only.

    Whatever it says elsewhere, in the application's own clients, is not touched.
    """

    def __init__(self, thread: int) -> None:
        super().__init__()
        self._thread = thread
        self._teller = Teller()

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide about one record."""
        return record.thread != self._thread or self._teller.due(str(record.msg))

    def __enter__(self) -> None:
        """Begin."""
        for name in CLIENT:
            logging.getLogger(name).addFilter(self)

    def __exit__(self, *error: object) -> None:
        """Leave the loggers as they were."""
        for name in CLIENT:
            logging.getLogger(name).removeFilter(self)
