"""What misbehaves on purpose does so, and the benchmark of a queue runs to its end. Not how fast anything is."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.database import Way
from benchmarks.drain import Figures
from benchmarks.faulty import SLOW_S, Mood, Web, Wire, web_proxy, wire

SOON_S = 10.0


@pytest.fixture
async def through(tmp_path: Path) -> AsyncGenerator[Wire]:
    """Stand before something that says everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(100):
            writer.write(piece.upper())
        writer.close()

    server = await asyncio.start_unix_server(echo, str(tmp_path / "socket"))
    async with server, wire(tmp_path / "socket") as made:
        yield made


class Caller:
    """One connection. Use `callers`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def says(self, word: str) -> str:
        """Say a word; answer what is said back, "" when the other side hangs up."""
        self.writer.write(word.encode())
        try:
            return (await asyncio.wait_for(self._reader.read(100), SOON_S)).decode()
        except ConnectionError:
            return ""


@pytest.fixture
async def call(through: Wire) -> AsyncGenerator[Callable[[], Awaitable[Caller]]]:
    """Connect to it."""
    made: list[Caller] = []

    async def connect() -> Caller:
        made.append(Caller(*await asyncio.open_connection("127.0.0.1", through.port)))
        return made[-1]

    yield connect
    for one in made:
        one.writer.transport.abort()
    await asyncio.gather(*(one.writer.wait_closed() for one in made), return_exceptions=True)


async def test_bytes_pass_hang_and_are_cut_off(through: Wire, call: Callable[[], Awaitable[Caller]]) -> None:
    """And who hung goes on where it was."""
    caller = await call()
    assert await caller.says("one") == "ONE"
    await through.be(Mood.HUNG)
    other = await call()
    asked, waits = asyncio.create_task(caller.says("two")), asyncio.create_task(other.says("three"))
    done, _ = await asyncio.wait({asked, waits}, timeout=0.2)
    assert done == set()
    await through.be(Mood.PASSES)
    assert (await asked, await waits) == ("TWO", "THREE")
    await through.be(Mood.SLOW)
    began = asyncio.get_running_loop().time()
    assert await caller.says("four") == "FOUR"
    assert asyncio.get_running_loop().time() - began >= SLOW_S
    await through.be(Mood.KILLED)
    with pytest.raises(ConnectionRefusedError):
        await call()
    assert await caller.says("five") == ""
    port = through.port
    await through.be(Mood.PASSES)
    assert through.port == port
    assert await (await call()).says("six") == "SIX"


@pytest.fixture
async def before() -> AsyncGenerator[Web]:
    """Stand before something that says what it was asked."""

    async def answer(request: web.Request) -> web.Response:
        said = {"path": request.path_qs, "key": request.headers.get("apikey"), "body": await request.text()}
        return web.json_response(said, headers={"Content-Range": "0-0/*"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server, web_proxy(f"http://127.0.0.1:{server.port}") as made:
        yield made


async def test_requests_pass_as_they_are(before: Web) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{before.port}/rpc/f?a=%20b"
        async with http.post(url, data="text", headers={"apikey": "k"}) as answer:
            assert await answer.json() == {"path": "/rpc/f?a=%20b", "key": "k", "body": "text"}
            assert answer.headers["Content-Range"] == "0-0/*"


@pytest.mark.parametrize(
    ("mood", "status"),
    [(Mood.HTML, 200), (Mood.UNAUTHORIZED, 401), (Mood.LIMITED, 429), (Mood.UNAVAILABLE, 503), (Mood.PAUSED, 540)],
)
async def test_requests_are_answered_wrongly_on_purpose(before: Web, mood: Mood, status: int) -> None:
    await before.be(mood)
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{before.port}/") as answer:
        assert answer.status == status
        assert ("Retry-After" in answer.headers) is (mood is Mood.LIMITED)
        assert (answer.content_type == "text/html") is (mood in (Mood.HTML, Mood.UNAVAILABLE))


async def test_nobody_listens_until_it_passes_again(before: Web) -> None:
    url = f"http://127.0.0.1:{before.port}/"
    await before.be(Mood.KILLED)
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(url)
        await before.be(Mood.PASSES)
        async with http.get(url) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("way", Way)
def test_what_is_too_slow_for_so_many_rows_is_broken(way: Way) -> None:
    limit = {Way.POSTGRES: 30.0, Way.REST: 45.0}[way]
    for rows, seconds, broken in (
        (100_000, limit - 1, False), (100_000, limit + 1, True), (10_000, limit / 5, True), (10_000, limit / 20, False),
    ):  # fmt: skip
        assert Figures(way, rows, 1.0, 1.0, seconds, 1.0, 1.0, 0, 0.0).broken is broken


def test_a_quick_drain(tmp_path: Path) -> None:
    """Both ways in one table, and nothing left behind."""
    command = [sys.executable, "-m", "benchmarks", "drain", "--quick", "--folder", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert ended.returncode == 0, ended.stderr
    assert [words for words in ("300  postgres", "300  rest", "CPU in ms a row.") if words not in ended.stdout] == []
    assert list(tmp_path.iterdir()) == []
