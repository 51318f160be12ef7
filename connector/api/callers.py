"""Which address a request comes from, also where reverse proxies stand between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

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
            if not _is_address(hop):
                return
            if not self._trusts(hop):
                yield hop
                return

    def _trusts(self, address: str) -> bool:
        if not _is_address(address):
            return False
        found = ip_address(address)
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self.trusted)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _household(address: str) -> str:
    if ":" not in address:
        return address
    try:
        found = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(IPv6Network((found, _HOUSEHOLD), strict=False).network_address)
