"""Whether WhatsApp can be reached, the way that the engine would go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sessions.engine import reach as reach_module
from sessions.engine.launch import Lab, Launch
from sessions.engine.reach import Reach


@dataclass
class Proxy:
    """A proxy that answers what it is told to, and remembers what it was asked."""

    answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n"
    asked: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(b"")
        try:
            self.asked[-1] = await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def url(self, credentials: str = "", scheme: str = "http") -> str:
        return f"{scheme}://{credentials}127.0.0.1:{self.port}"


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy


async def test_a_proxy_that_lets_us_through_leads_there(proxy: Proxy):
    assert await Reach(proxy.url())()
    assert proxy.asked[0].startswith(b"CONNECT web.whatsapp.com:443 HTTP/1.1\r\n")
    assert b"Authorization" not in proxy.asked[0]


async def test_a_proxy_is_told_who_asks(proxy: Proxy):
    assert await Reach(proxy.url("z%C3%A9:p%40ss@"))()
    assert b"Proxy-Authorization: Basic esOpOnBAc3M=\r\n" in proxy.asked[0]


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        (b"HTTP/1.1 200\r\n\r\n", True),
        (b"HTTP/1.0 200 Connection established\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", False),
        (b"HTTP/1.1 502 200 \r\n\r\n", False),
        (b"", False),
        (b"no line", False),
        (b"x" * 200_000, False),
        (b"\r\n", False),
    ],
)
async def test_only_a_clear_yes_is_one(proxy: Proxy, answer: bytes, there: bool):
    proxy.answer = answer
    assert await Reach(proxy.url())() is there


async def test_of_another_kind_of_proxy_it_can_only_be_told_that_it_is_there(proxy: Proxy):
    assert await Reach(proxy.url(scheme="socks5"))()
    port, proxy.port = proxy.port, 1
    assert not await Reach(proxy.url(scheme="socks5"))()
    proxy.port = port


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://127.0.0.1:99999", "http://", "gopher://127.0.0.1", "nonsense"]
)
async def test_where_there_is_nobody_or_no_address_it_is_out_of_reach(url: str):
    assert not await Reach(url)()


async def test_one_that_never_answers_is_out_of_reach(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reach_module, "TRY_S", 0.05)
    hold = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert not await Reach(f"http://127.0.0.1:{port}")()
        hold.set()


async def test_two_hundred_who_ask_at_once_are_one_question(proxy: Proxy, monkeypatch: pytest.MonkeyPatch):
    reach = Reach(proxy.url())
    assert all(await asyncio.gather(*(reach() for _ in range(200))))
    assert len(proxy.asked) == 1
    monkeypatch.setattr(reach_module, "REMEMBERED_S", -1.0)
    proxy.answer = b"HTTP/1.1 503\r\n\r\n"
    assert not await reach()


async def test_without_a_proxy_it_goes_straight_there(proxy: Proxy, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reach_module, "HOST", "127.0.0.1")
    monkeypatch.setattr(reach_module, "PORT", proxy.port)
    assert await Reach()()
    monkeypatch.setattr(reach_module, "PORT", 1)
    assert not await Reach()()


ENVIRONMENTS: list[tuple[dict[str, str], str | None]] = [
    ({}, None),
    ({"HTTPS_PROXY": "http://10.0.0.1:3128"}, "http://10.0.0.1:3128"),
    ({"https_proxy": "http://10.0.0.2:3128"}, "http://10.0.0.2:3128"),
    ({"HTTPS_PROXY": ""}, None),
    ({"HTTP_PROXY": "http://10.0.0.3:3128"}, None),
]


@pytest.mark.parametrize(("environment", "url"), ENVIRONMENTS)
def test_it_goes_the_way_that_workers_go(tmp_path: Path, environment: dict[str, str], url: str | None):
    assert Launch(tmp_path).proxy(environment) == url
    lab = Lab(proxy="http://127.0.0.1:9", ca=tmp_path / "ca.pem", root_key="ab" * 32)
    assert Launch(tmp_path, lab).proxy(environment) == "http://127.0.0.1:9"
