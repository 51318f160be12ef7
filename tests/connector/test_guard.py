"""The guard of outgoing connections: what it lets through, and that no way leads around it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import BaseTestServer, TestServer

from connector.guard import InternalAddress, outgoing, public

TIMEOUT = aiohttp.ClientTimeout(total=5)


@pytest.mark.parametrize("ip", ["8.8.8.8", "1.1.1.1", "2606:4700::1", "::ffff:8.8.8.8", "2001:4860:4860::8888"])
def test_the_public_internet_is_open(ip: str) -> None:
    """Addresses that anybody can have."""
    assert public(ip)


@pytest.mark.parametrize(
    "ip",
    [
        *(
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
        ),
        *("192.0.0.8", "192.0.2.1", "198.18.0.1", "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fd00::8", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1", "5f00::1"),
        *(
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
        ),
        *("", "localhost", "127.1", "0x7f000001", "8.8.8.8 ", "8.8.8"),
    ],
)
def test_everything_inside_is_closed(ip: str) -> None:
    """Loopback, private, shared, link-local, reserved, multicast; the forms that carry an IPv4 address; what is none."""
    assert not public(ip)


class Lying(AbstractResolver):
    """Answers each name with the next of its addresses: what a name server does that changes its mind."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        answer = self.answers.pop(0)
        return [
            ResolveResult(hostname=host, host=one, port=port, family=socket.AF_INET, proto=0, flags=0)
            for one in answer.split()
        ]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
async def inside() -> AsyncIterator[tuple[BaseTestServer, list[str]]]:
    """A server inside, and the paths it was asked for."""
    asked: list[str] = []

    async def take(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path == "/elsewhere":
            raise web.HTTPTemporaryRedirect("/here")
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    async with TestServer(app) as server:
        yield server, asked


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::]"])
async def test_no_writing_of_an_address_leads_inside(inside, host: str) -> None:
    """Numbers skip the resolver, names do not: neither reaches a listener inside."""
    server, asked = inside
    async with outgoing(allow_internal=False, connections=2, timeout=TIMEOUT) as http:
        with pytest.raises(aiohttp.ClientConnectorError) as refused:
            await http.post(f"http://{host}:{server.port}/")
    assert isinstance(refused.value.os_error, InternalAddress)
    assert asked == []


async def test_a_number_that_only_some_read_as_an_address_is_refused(inside) -> None:
    """2130706433 is 127.0.0.1 to some resolvers."""
    server, asked = inside
    async with outgoing(allow_internal=False, connections=2, timeout=TIMEOUT) as http:
        with pytest.raises(aiohttp.ClientError):
            await http.post(f"http://2130706433:{server.port}/")
    assert asked == []


@pytest.mark.parametrize("answer", ["127.0.0.1", "127.0.0.1 127.0.0.2", "10.255.0.1 127.0.0.1"])
async def test_a_name_that_turns_inside_is_refused(inside, answer: str) -> None:
    """What a name answered a moment ago is no promise: the address that is connected to is the one that counts."""
    server, asked = inside
    resolver = Lying(answer)
    async with outgoing(allow_internal=False, connections=2, timeout=TIMEOUT, resolver=resolver) as http:
        with pytest.raises(aiohttp.ClientConnectorError) as refused:
            await http.post(f"http://example.com:{server.port}/")
    assert isinstance(refused.value.os_error, InternalAddress)
    assert (resolver.asked, asked) == (1, [])


async def test_the_inside_is_open_on_request(inside) -> None:
    """Tests, the lab, and a receiver on the same machine."""
    server, asked = inside
    async with (
        outgoing(allow_internal=True, connections=2, timeout=TIMEOUT, resolver=Lying("127.0.0.1")) as http,
        http.post(f"http://example.com:{server.port}/yes") as response,
    ):
        assert response.status == 200
    assert asked == ["/yes"]


async def test_no_proxy_of_the_environment_is_used(inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect for us, past the guard."""
    server, asked = inside
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    async with outgoing(allow_internal=False, connections=2, timeout=TIMEOUT, resolver=Lying("127.0.0.1")) as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.post("http://example.com/")
    assert asked == []
