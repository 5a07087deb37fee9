"""What the page is told: where it listens, and who may come in."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Door", "is_loopback"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LEAST_TOKEN = 16
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Door:
    """Where the page listens, and who may come in.

    Attributes
    ----------
    host, port
        Where to listen.
    token
        What a person has to know; None where nobody is asked.
    header, proxies
        The request header in which a reverse proxy names the person, and the networks that such
        proxies have. Requests from elsewhere are refused.
    names
        Host names under which the page is called, beside those of loopback; any where it listens
        beyond that and none are stated.
    user
        Who acts where nobody has to say who they are.
    """

    host: str = "127.0.0.1"
    port: int = 8600
    token: str | None = None
    header: str | None = None
    proxies: tuple[Network, ...] = ()
    names: tuple[str, ...] = ()
    user: str = "somebody"

    def __post_init__(self) -> None:
        """Refuse what would let in anybody."""
        if self.token is not None and len(self.token) < LEAST_TOKEN:
            msg = f"token: expected at least {LEAST_TOKEN} characters, got {len(self.token)}"
            raise UsageError(msg)
        if (self.header is None) != (not self.proxies):
            msg = (
                "--trust-header: expected together with --trusted-proxy, got only one of them: "
                "without it anybody could say who they are"
            )
            raise UsageError(msg)
        if self.token is not None and self.header is not None:
            msg = "expected a token or --trust-header, got both"
            raise UsageError(msg)
        if not is_loopback(self.host) and self.token is None and self.header is None:
            msg = (
                f"--host {self.host}: expected a login, as others can reach it: "
                "--token-file FILE, DRIFTLINE_UI_TOKEN, or --trust-header with --trusted-proxy"
            )
            raise UsageError(msg)

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def hosts(self) -> frozenset[str] | None:
        """Names that a request may call the page by; None for any."""
        if self.names or self.local:
            return frozenset(name.lower() for name in (*LOCAL_NAMES, *self.names))
        return None

    def trusts(self, peer: str | None) -> bool:
        """Return whether a request from an address may say who it is from."""
        if peer is None:
            return False
        address = ipaddress.ip_address(peer.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.proxies)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read networks as ``10.0.0.0/8``; an address alone is a network of one."""
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            msg = f"--trusted-proxy: expected a network such as 10.0.0.0/8, got {text!r} ({error})"
            raise UsageError(msg) from None
    return tuple(found)


def is_loopback(host: str) -> bool:
    """Return whether an address is one that only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
