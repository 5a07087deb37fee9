"""The same Kafka in a container, through testcontainers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from driftline.broker.ready import answers, free_ports, wait_until
from driftline.broker.settings import IMAGE, as_environment, server_properties
from driftline.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

__all__ = ["DockerBroker", "docker_problem"]

START_S = 120.0
STOP_S = 20
# How long an engine that is there may take to say so.
PING_S = 10
CLUSTER = "driftline-broker-00000"


def docker_problem(image: str = IMAGE) -> str | None:
    """Say in one line why no container of an image can run here; `None` if one can.

    An image that is not there is pulled, which may take a while the first time.
    """
    try:
        import docker
    except ImportError:
        return "the packages of driftline[docker] are not installed"
    try:
        with contextlib.closing(docker.from_env(timeout=PING_S)) as client:
            client.ping()
    except Exception as error:  # noqa: BLE001 - the client lets requests' and its own errors through
        return f"Docker does not answer ({_brief(error)})"
    try:
        with contextlib.closing(docker.from_env(timeout=START_S)) as client:
            if not client.images.list(image):
                client.images.pull(image)
    except Exception as error:  # noqa: BLE001 - as above
        return f"the image {image} is not there and can't be pulled ({_brief(error)})"
    return None


class DockerBroker:
    """One KRaft node in a container, reached on 127.0.0.1.

    Parameters
    ----------
    port
        Port for clients on this machine; left out: a free one. It stays the same over restarts.
    image
        Any image that takes settings as the public Apache Kafka one does.
    heap
        The JVM's largest heap.
    extra
        Server properties that override the defaults.
    """

    def __init__(
        self,
        port: int | None = None,
        image: str = IMAGE,
        heap: str = "512m",
        *,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self._port = port or free_ports(1)[0]
        self._image = image
        self._heap = heap
        self._extra = dict(extra or {})
        self._box: Any = None

    @property
    def bootstrap(self) -> str:
        """Address for clients on this machine."""
        return f"127.0.0.1:{self._port}"

    @property
    def name(self) -> str | None:
        """The container's name, while there is one."""
        return str(self._box.get_wrapped_container().name) if self._box else None

    @property
    def pid(self) -> int | None:
        """The JVM's process id as the engine's machine sees it, while it runs."""
        if self._box is None:
            return None
        container = self._box.get_wrapped_container()
        container.reload()
        return container.attrs["State"]["Pid"] or None

    def start(self) -> Self:
        """Start the container and wait until it answers clients; does nothing when it runs.

        Raises
        ------
        BrokerError
            Docker does not answer, the image can't be had, or the broker did not come up.
        """
        if self._runs():
            return self
        try:
            if self._box is None:
                self._create()
            else:
                self._box.get_wrapped_container().start()
            wait_until(lambda: not self._runs() or answers(self.bootstrap), START_S)
            self._check()
        except BaseException:
            self.stop()
            raise
        return self

    def _runs(self) -> bool:
        return self.pid is not None

    def _check(self) -> None:
        if self._runs() and answers(self.bootstrap):
            return
        what = f"does not answer within {START_S:g} s" if self._runs() else "ended while starting"
        msg = f"the broker in {self._image} {what}; its log ends:\n{self.log_tail()}"
        raise BrokerError(msg)

    def _create(self) -> None:
        problem = docker_problem(self._image)
        if problem:
            raise BrokerError(problem)
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        # The reaper removes the container when this process is killed outright. Where its image
        # can't be had, a broker that only a clean end removes is still better than none.
        if not testcontainers_config.ryuk_disabled and docker_problem(
            testcontainers_config.ryuk_image
        ):
            testcontainers_config.ryuk_disabled = True
        entries = {
            "PLAINTEXT": ("PLAINTEXT", ":9092", self.bootstrap),
            # The broker calls itself too (to verify transactions), from inside, where the address
            # that clients use leads nowhere.
            "INTERNAL": ("PLAINTEXT", ":9094", "localhost:9094"),
            "CONTROLLER": ("PLAINTEXT", ":9093", ""),
        }
        # The folder that the public image declares as a volume of its unprivileged user.
        folder = "/var/lib/kafka/data"
        extra = {"inter.broker.listener.name": "INTERNAL", **self._extra}
        settings = server_properties(entries, "localhost:9093", folder, extra)
        box = DockerContainer(self._image).with_bind_ports(9092, self._port)
        for name, value in as_environment(settings).items():
            box = box.with_env(name, value)
        box = box.with_env("CLUSTER_ID", CLUSTER).with_env("KAFKA_HEAP_OPTS", f"-Xmx{self._heap}")
        try:
            box.start()
        except Exception as error:
            msg = f"a container of {self._image} did not start ({_brief(error)})"
            raise BrokerError(msg) from error
        self._box = box

    def stop(self, *, keep: bool = False) -> None:
        """Shut down in order, within a bound; remove the container unless its data are kept."""
        if self._box is None:
            return
        self._box.get_wrapped_container().stop(timeout=STOP_S)
        if not keep:
            self._box.stop(force=True, delete_volume=True)
            self._box = None

    def kill(self) -> None:
        """End it with SIGKILL; the container and its data stay for `start`."""
        if self._runs():
            self._box.get_wrapped_container().kill()
            wait_until(lambda: not self._runs(), STOP_S)

    def restart(self) -> None:
        """Stop in order and start again: same address, same data."""
        self.stop(keep=True)
        self.start()

    def log_tail(self, lines: int = 20) -> str:
        """Give the last lines of the container's output."""
        if self._box is None:
            return ""
        return str(self._box.get_wrapped_container().logs(tail=lines).decode("utf-8", "replace"))

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(self, *exc: object) -> None:
        """Stop it and remove the container."""
        self.stop()


def _brief(error: Exception) -> str:
    """Keep the first line, and of a long one its end, where the cause stands."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 160 else "…" + line[-160:]
