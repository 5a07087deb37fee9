"""The Faust app: settings chosen one by one, because several of Faust's defaults lose data."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faust
from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import SASLMechanism
from yarl import URL

from driftline.bus.transport import ChunkSchema, ChunkTransport, FetchLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.bus.config import BrokerConfig, Config

__all__ = ["create_app", "open_topic"]

log = logging.getLogger(__name__)

LARGEST_MESSAGE = 34 * 2**20
"""A dead letter of 32 MiB and its headers."""
PRODUCER_BATCH = 2**20


class App(faust.App):
    """An app that keeps no tables, hence leaves no folders behind."""

    # Mode would log under this module's name, tracebacks and all, as if it were our own.
    logger = logging.getLogger("faust.app.driftline")

    def _create_directories(self) -> None:
        pass


def create_app(config: Config) -> faust.App:
    """Make the app of one worker; it reads nothing from the environment.

    Its transport hands whole chunks to agents (`driftline.bus.transport`); nothing is committed but
    what is marked as safe.
    """
    url = broker_url(config.broker)
    give_up_s = config.broker.give_up_after / 1e6
    session_s = config.session_timeout / 1e6
    app = App(
        id=config.group,
        broker=url,
        broker_credentials=_credentials(config.broker),
        # Faust lets variables of the environment override arguments; nobody sets these.
        env_prefix="DRIFTLINE_FAUST_UNUSED_",
        key_serializer="raw",
        value_serializer="raw",
        # The second net: faults are reported through app.crash before they leave an agent.
        agent_supervisor="mode.CrashingSupervisor",
        processing_guarantee="at_least_once",
        # Without it a graceful stop would leave chunks half done.
        stream_wait_empty=True,
        # Never reached: fetching pauses long before (FetchLimits), and Faust's own way of pausing
        # sleeps for a second when all partitions are full.
        stream_buffer_maxsize=4_096,
        broker_commit_interval=config.commit_every / 1e6,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / 4,
        broker_request_timeout=max(30.0, session_s),
        broker_max_poll_interval=1_000.0,
        # The default is 1200 s: twenty minutes of silence before a send fails.
        producer_request_timeout=give_up_s,
        producer_acks=-1,
        # Messages come in rounds (`Delivery`), so that waiting for more would only add delay.
        producer_linger=0.0,
        producer_max_batch_size=PRODUCER_BATCH,
        producer_max_request_size=LARGEST_MESSAGE,
        # Panes: 230 MB a CPU second; lz4 as cramjam has it does 40, gzip 20.
        producer_compression_type="zstd",
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=str(Path(config.datadir)),
    )
    app.transport = ChunkTransport(
        [URL(each) for each in url.split(";")],
        app,
        limits=FetchLimits(
            chunk_records=config.chunk_records, queued_records=4 * config.chunk_records
        ),
    )
    return app


def open_topic(app: faust.App, names: Sequence[str]) -> Any:
    """Return the source of chunks of some topics, for an agent."""
    return app.topic(*names, schema=ChunkSchema())


def broker_url(broker: BrokerConfig) -> str:
    """Return the addresses in Faust's form."""
    return ";".join(f"kafka://{each.strip()}" for each in broker.bootstrap.split(","))


def _credentials(broker: BrokerConfig) -> Any:
    context = broker.ssl_context()
    if broker.sasl:
        name, word = broker.credentials()
        credentials = SASLCredentials(
            username=name,
            password=word,
            mechanism=SASLMechanism(broker.sasl_mechanism),
            ssl_context=context,
        )
        if context is None:
            log.warning("the password travels in the clear (SASL_PLAINTEXT)")
        return credentials
    if isinstance(context, ssl.SSLContext):
        return SSLCredentials(context)
    return None
