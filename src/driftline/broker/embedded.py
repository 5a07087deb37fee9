"""Apache Kafka in a JVM of its own on this machine: no Docker, no Java, no Maven."""

from __future__ import annotations

import base64
import contextlib
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from driftline.broker import watchdog
from driftline.broker.ready import answers, free_ports, wait_until
from driftline.broker.runtime import class_path, java
from driftline.broker.settings import as_text, server_properties
from driftline.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

__all__ = ["EmbeddedBroker"]

# Starts in 3 s on two idle cores; ten times that has been seen on two busy ones.
START_S = 90.0
# A clean stop takes a second or two; after this it is killed, and recovers at the next start.
STOP_S = 20.0
JVM = (
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dlog4j2.disable.jmx=true",
    "-Djava.awt.headless=true",
)


class EmbeddedBroker:
    """One KRaft node on 127.0.0.1; dies with this process, even when that is killed.

    Parameters
    ----------
    data
        Folder for its data, its settings and its log; made where missing, kept at the end. Left
        out: a temporary one, removed by `stop`.
    port
        Port for clients; left out: a free one. Either way it stays the same over restarts.
    heap
        The JVM's largest heap. More is needed only for messages of tens of megabytes.
    listeners
        Further listeners, name → security protocol (``SSL``, ``SASL_PLAINTEXT``, ``SASL_SSL``),
        each on a free port that `address` tells. Their certificates and mechanisms are `extra`.
    extra
        Server properties that override the defaults.
    notify
        Is told in a line what takes long (fetching Kafka the first time).
    """

    def __init__(
        self,
        data: Path | None = None,
        port: int | None = None,
        heap: str = "512m",
        *,
        listeners: Mapping[str, str] | None = None,
        extra: Mapping[str, str] | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        names = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **(listeners or {})}
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        ports["PLAINTEXT"] = port or ports["PLAINTEXT"]
        self._addresses = {name: f"127.0.0.1:{number}" for name, number in ports.items()}
        self._protocols = names
        self._extra = dict(extra or {})
        self._heap = heap
        self._notify = notify or (lambda _line: None)
        self._given = data
        self._folder: Path | None = data
        self._server: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Address of the plaintext listener."""
        return self._addresses["PLAINTEXT"]

    def address(self, listener: str) -> str:
        """Address of one listener by name."""
        return self._addresses[listener]

    @property
    def pid(self) -> int | None:
        """The JVM's process id while it runs."""
        running = self._server is not None and self._server.poll() is None
        return self._server.pid if running and self._server else None

    @property
    def data(self) -> Path | None:
        """The folder in use, if any."""
        return self._folder

    def start(self) -> Self:
        """Start the JVM and wait until it answers clients; does nothing when it runs.

        Raises
        ------
        BrokerError
            Java or the jars can't be had, the JVM ended, or it did not answer in time; the text
            has its last log lines.
        """
        if self.pid is not None:
            return self
        if answers(self.bootstrap, 0.2):
            msg = f"something else serves {self.bootstrap} already"
            raise BrokerError(msg)
        runtime, jars = java(), class_path(self._notify)
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="driftline-broker-"))
        try:
            self._launch(runtime, jars, self._folder)
            if not wait_until(lambda: self.pid is None or answers(self.bootstrap), START_S):
                self._fail(f"did not answer within {START_S:g} s")
            if self.pid is None:
                self._fail("ended while starting")
        except BaseException:
            self.kill()
            self._discard()
            raise
        return self

    def _launch(self, runtime: str, jars: str, folder: Path) -> None:
        settings = folder / "server.properties"
        logs = folder / "kafka"
        logs.mkdir(parents=True, exist_ok=True)
        entries = {
            name: (self._protocols[name], address, address)
            for name, address in self._addresses.items()
        }
        voter = self._addresses["CONTROLLER"]
        settings.write_text(as_text(server_properties(entries, voter, str(logs), self._extra)))
        with (folder / "broker.log").open("ab") as log:
            if not (logs / "meta.properties").exists():
                self._format(runtime, jars, settings, log.fileno())
            # A session of its own: Ctrl-C reaches us, and we stop it in order.
            self._server = subprocess.Popen(
                [runtime, f"-Xmx{self._heap}", *JVM, "-cp", jars, "kafka.Kafka", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                start_new_session=True,
            )
        doomed = [str(folder)] if self._given is None else []
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", watchdog.__file__, str(self._server.pid), *doomed],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def _format(self, runtime: str, jars: str, settings: Path, log: int) -> None:
        # A leading dash would be read as an option.
        cluster = "d" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
        tool = [runtime, "-XX:TieredStopAtLevel=1", *JVM, "-cp", jars, "kafka.tools.StorageTool"]
        done = subprocess.run(
            [*tool, "format", "-t", cluster, "-c", str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=START_S,
            check=False,
        )
        if done.returncode:
            self._fail(f"could not format its data folder (exit {done.returncode})")

    def stop(self, *, keep: bool = False) -> None:
        """Shut down in order, within a bound; remove the temporary folder unless it is kept."""
        if self._server is not None and self._server.poll() is None:
            self._server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(STOP_S)
        self.kill()
        if not keep:
            self._discard()

    def kill(self) -> None:
        """End the JVM with SIGKILL; the data stay for `start`."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None
        if self._watchdog is not None:
            with contextlib.suppress(BrokenPipeError):
                self._watchdog.communicate(b".", timeout=STOP_S)
            self._watchdog = None

    def restart(self) -> None:
        """Stop in order and start again: same address, same data."""
        self.stop(keep=True)
        self.start()

    def log_tail(self, lines: int = 20) -> str:
        """Give the last lines of the JVM's output."""
        path = self._folder / "broker.log" if self._folder else None
        if path is None or not path.exists():
            return ""
        with path.open(encoding="utf-8", errors="replace") as log:
            return "".join(deque(log, maxlen=lines))

    def _fail(self, what: str) -> None:
        msg = f"the embedded broker at {self.bootstrap} {what}; its log ends:\n{self.log_tail()}"
        raise BrokerError(msg)

    def _discard(self) -> None:
        if self._given is None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(self, *exc: object) -> None:
        """Stop it, and remove its temporary folder."""
        self.stop()
