"""Which address a request comes from, also where reverse proxies stand between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

FORWARDED = "X-Forwarded-For"
UNKNOWN = "unknown"
_MOST_HOPS = 20
_HOUSEHOLD = 64
"""One customer of a provider has this many bits of an IPv6 address, and may use any of those below them."""


@dataclass(frozen=True, slots=True)
class Callers:
    """Believes what *trusted* proxies say of the callers behind them, and nobody else."""

    trusted: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, networks: str) -> Callers:
        """Trust *networks*: addresses or networks, between commas. Raises `ValueError`."""
        return cls(tuple(ip_network(each.strip()) for each in networks.split(",") if each.strip()))

    def address(self, request: web.BaseRequest) -> str:
        """Answer whom to count *request* for: an address, or the household of an IPv6 address."""
        nearest = request.remote or UNKNOWN
        if not self.trusted or not self._trusts(nearest):
            return _household(nearest)
        told = ",".join(request.headers.getall(FORWARDED, ())).rsplit(",", _MOST_HOPS)
        return _household(next(self._before(told[::-1]), nearest))

    def _before(self, hops: list[str]) -> Iterator[str]:
        """Answer the addresses that the proxies saw, nearest first, as far as they can be believed."""
        for hop in map(str.strip, hops):
            if _parsed(hop) is None:
                return
            if not self._trusts(hop):
                yield hop
                return

    def _trusts(self, address: str) -> bool:
        found = _parsed(address)
        return found is not None and any(found in network for network in self.trusted)


@lru_cache(4096)  # reading an address costs as much as routing a request, and the same ones come again and again
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _household(address: str) -> str:
    if ":" not in address:
        return address
    found = _parsed(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, _HOUSEHOLD), strict=False).network_address)
    return str(found or address)
