"""Where the service may connect to when somebody else chose the address: the public internet, and nothing inside the operator's network.

The check is made on the very address a socket is about to connect to, after every look-up: an address written as numbers
skips the resolver, and a name may answer something else the second time it is asked.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

_UNICAST_6 = ipaddress.IPv6Network("2000::/3")
_ALSO_CLOSED = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # of protocols; Python's versions disagree about parts of it
    ipaddress.IPv4Network("192.88.99.0/24"),  # this and the next two lead through gateways to any IPv4 address
    ipaddress.IPv6Network("2001::/32"),
    ipaddress.IPv6Network("2002::/16"),
)

_AddrInfo = tuple[Any, Any, int, str, tuple[Any, ...]]


class InternalAddress(OSError):
    """The address lies inside a network of the operator, or is none that a public service can have."""

    def __init__(self) -> None:
        # Without the address: equal sentences survive as one error where a name has several addresses.
        super().__init__("an internal address is refused")


def public(ip: str) -> bool:
    """Answer whether *ip* is an address of the public internet. What is no address is not."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return public(str(address.ipv4_mapped))
        if address not in _UNICAST_6:
            return False
    closed = any(address.version == net.version and address in net for net in _ALSO_CLOSED)
    return address.is_global and not address.is_multicast and not closed


def public_socket(info: _AddrInfo) -> socket.socket:
    """Make the socket for a connection to the address in *info*. Raises `InternalAddress`."""
    family, kind, protocol, _name, address = info
    if not public(str(address[0])):
        raise InternalAddress
    return socket.socket(family, kind, protocol)


def outgoing(
    *, allow_internal: bool, connections: int, timeout: aiohttp.ClientTimeout, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """Answer a session for addresses of others: guarded, no proxy of the environment, no cookies, no unpacking of answers.

    Redirects are the caller's to forbid (`allow_redirects=False`): only a request knows them.
    """
    connector = aiohttp.TCPConnector(
        limit=connections, socket_factory=None if allow_internal else public_socket, resolver=resolver
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=timeout,
        trust_env=False,
        auto_decompress=False,
    )
