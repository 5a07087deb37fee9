"""Alerts for programs: what becomes of incidents, one after another, at least once.

::

    with driftline.Alerts("broker:9092", group="pager", severity="page") as alerts:
        for alert in alerts:
            wake(alert.data.owner, alert.data.text)

An alert counts as handled when the next one is asked for, or when the block is left without an
exception. What was not handled comes again, to this program or to another of its group, with the
same ``id``.
"""

from __future__ import annotations

import asyncio
import logging
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Self, TypedDict, Unpack, get_args

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from driftline.bus.clients import close, unreachable
from driftline.bus.config import BrokerConfig
from driftline.bus.standby import OneTakesAll, Turn
from driftline.errors import UsageError
from driftline.events.outputs import Alert, AlertState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType

    from aiokafka.structs import ConsumerRecord

__all__ = ["Alerts", "AsyncAlerts", "Wanted", "decoded", "reached"]

log = logging.getLogger(__name__)

_decode = msgspec.json.Decoder(Alert).decode
_OUTSIDE = "alerts: expected to be used in a with block, got none"
_SEVERITIES = ("page", "notice")
_STATES: tuple[str, ...] = get_args(AlertState)


class _Asked(TypedDict, total=False):
    """What both kinds of alerts are asked for, by name: see `Alerts`."""

    group: str | None
    prefix: str
    models: Iterable[str]
    kinds: Iterable[str]
    states: Iterable[str]
    severity: str
    idle_s: float | None


class Wanted:
    """Which alerts a program asks for; empty is all.

    Raises
    ------
    UsageError
        A severity or state that does not exist.
    """

    def __init__(
        self, models: Iterable[str], kinds: Iterable[str], states: Iterable[str], severity: str
    ) -> None:
        self._models, self._kinds, self._states = tuple(models), frozenset(kinds), frozenset(states)
        for name, given, known in (
            ("severity", {severity}, _SEVERITIES),
            ("states", self._states, _STATES),
        ):
            if strange := sorted(given - set(known)):
                msg = f"{name}: expected some of {', '.join(known)}, got {', '.join(strange)}"
                raise UsageError(msg)
        self._pages = severity == "page"

    def __call__(self, alert: Alert) -> bool:
        """Return whether an alert is one of them."""
        data = alert.data
        return (
            (not self._models or any(fnmatchcase(data.model, each) for each in self._models))
            and (not self._kinds or data.kind in self._kinds)
            and (not self._states or data.state in self._states)
            and (not self._pages or data.severity == "page")
        )


class AsyncAlerts:
    """Iterate over alerts inside a running event loop; see `Alerts` for the parameters.

    Parameters
    ----------
    alone
        One member of the group at a time gets all alerts, the others stand by; and nothing counts
        as handled but what `acknowledge` says. For programs that see alerts together.
    """

    def __init__(
        self,
        broker: str | BrokerConfig = "127.0.0.1:9092",
        *,
        group: str | None = None,
        prefix: str = "driftline.",
        models: Iterable[str] = (),
        kinds: Iterable[str] = (),
        states: Iterable[str] = (),
        severity: str = "notice",
        idle_s: float | None = None,
        alone: bool = False,
    ) -> None:
        self._broker = reached(broker)
        self._group = group
        self._topic = f"{prefix}alerts"
        self._wanted = Wanted(models, kinds, states, severity)
        self._idle_s = idle_s
        self._consumer: AIOKafkaConsumer | None = None
        self._handled: dict[TopicPartition, int] = {}
        self._given: ConsumerRecord | None = None
        self._alone = alone
        self.turn = Turn()
        """Whether it is this member's turn, where one is `alone`."""
        self.place: dict[TopicPartition, int] = {}
        """Offsets behind what was given so far, for `acknowledge`."""
        self.unreadable = 0
        """Messages on the topic that were no alerts; each is logged and passed over."""

    async def __aenter__(self) -> Self:
        """Join the group; raise `BrokerUnreachable` where the broker does not answer."""
        self._consumer = AIOKafkaConsumer(
            **self._broker.client(),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            **({"partition_assignment_strategy": (OneTakesAll,)} if self._alone else {}),
        )
        self._consumer.subscribe([self._topic], listener=self.turn if self._alone else None)
        try:
            async with asyncio.timeout(self._broker.give_up_after / 1e6):
                await self._consumer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await close(self._consumer)
            raise unreachable(self._broker, error) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Leave the group; without an exception what was given last counts as handled."""
        assert self._consumer is not None
        try:
            if kind is None and not self._alone:
                self._note(self._given)
            await self._commit()
        finally:
            await close(self._consumer)

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> Alert:
        """Return the next alert that is wanted; what was given before counts as handled."""
        if self._consumer is None:
            raise UsageError(_OUTSIDE)
        if not self._alone:
            self._note(self._given)
            self._given = None
            await self._commit()
        while True:
            try:
                record = await asyncio.wait_for(self._consumer.getone(), self._idle_s)
            except TimeoutError:
                await self._commit()
                raise StopAsyncIteration from None
            except KafkaError as error:
                raise unreachable(self._broker, error) from error
            alert = self._read(record)
            self.place[TopicPartition(record.topic, record.partition)] = record.offset + 1
            if alert is not None and self._wanted(alert):
                self._given = record
                return alert
            if not self._alone:
                self._note(record)

    async def acknowledge(self, place: Mapping[TopicPartition, int]) -> None:
        """Let everything count as handled that was given before `place` stood so."""
        self._handled |= place
        await self._commit()

    def _read(self, record: ConsumerRecord) -> Alert | None:
        if record.value is None:
            return None  # compaction's word that an incident is forgotten
        place = f"{record.topic}[{record.partition}] offset {record.offset}"
        alert = decoded(record.value, place)
        self.unreadable += alert is None
        return alert

    def _note(self, record: ConsumerRecord | None) -> None:
        if record is not None and self._group is not None:
            self._handled[TopicPartition(record.topic, record.partition)] = record.offset + 1

    async def _commit(self) -> None:
        if not self._handled or self._consumer is None:
            return
        handled, self._handled = self._handled, {}
        try:
            await self._consumer.commit(handled)
        except (CommitFailedError, IllegalStateError) as error:
            # The group has given the partition to another member: there it comes once more.
            log.warning("%s: not acknowledged, comes again: %s", self._topic, error)
        except KafkaError as error:
            raise unreachable(self._broker, error) from error


class Alerts:
    """Iterate over alerts, and wait for more.

    Parameters
    ----------
    broker
        ``host:port``, several separated by commas; or a `BrokerConfig`, with TLS and SASL.
    group
        Programs of one group share the alerts, and go on where they stood. None reads all of them
        from the beginning, for itself: as the topic is compacted, that is what is open and what
        came lately.
    prefix
        Of driftline's topics.
    models
        Names or shell patterns; any where empty.
    kinds, states
        As in `driftline.events.outputs.AlertData`; any where empty.
    severity
        ``page`` leaves notices out.
    idle_s
        End after so many seconds without an alert; None waits for ever.

    Raises
    ------
    UsageError
        A severity or state that does not exist.
    BrokerUnreachable
        The broker does not answer.

    Notes
    -----
    An alert that is worked on for longer than five minutes is given to another member of the group
    as well. Each acknowledgement is a round trip to the broker, so that hundreds of alerts a second
    are possible, which is more than any pager can take.
    """

    def __init__(
        self,
        broker: str | BrokerConfig = "127.0.0.1:9092",
        **asked: Unpack[_Asked],
    ) -> None:
        self._alerts = AsyncAlerts(broker, **asked)
        self._runner: asyncio.Runner | None = None

    @property
    def unreadable(self) -> int:
        """Messages on the topic that were no alerts; each is logged and passed over."""
        return self._alerts.unreadable

    def __enter__(self) -> Self:
        """Join the group; raise `BrokerUnreachable` where the broker does not answer."""
        runner = asyncio.Runner()
        try:
            runner.run(self._alerts.__aenter__())
        except BaseException:
            runner.close()
            raise
        self._runner = runner
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Leave the group; without an exception what was given last counts as handled."""
        assert self._runner is not None
        try:
            self._runner.run(self._alerts.__aexit__(kind, error, at))
        finally:
            self._runner.close()

    def __iter__(self) -> Iterator[Alert]:
        """Return itself."""
        return self

    def __next__(self) -> Alert:
        """Return the next alert that is wanted; what was given before counts as handled."""
        if self._runner is None:
            raise UsageError(_OUTSIDE)
        try:
            return self._runner.run(self._alerts.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None


def reached(broker: str | BrokerConfig) -> BrokerConfig:
    """Return how to reach a broker that may be named by its address alone."""
    return BrokerConfig(bootstrap=broker) if isinstance(broker, str) else broker


def decoded(value: bytes, place: str) -> Alert | None:
    """Read a message; one that is no alert is logged."""
    try:
        return _decode(value)
    except msgspec.MsgspecError as error:
        log.warning("%s: expected an alert, got %r (%s)", place, value[:80], error)
        return None
