"""The addresses of the tenant's page: what they tell, to whom, how often, and for how long."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import qr_reader
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from told_pairing import CODE, LINK, Told, code, state

from connector.api import pair
from connector.api.assets import Assets
from connector.api.health import Health
from connector.api.pairlinks import PairLinks
from connector.api.server import make_app
from connector.pairlinks import NewLink
from connector.pairwatch import ConnectedNews, EndedNews, HeldUpNews
from connector.refusals import UnknownConnection
from sessions.errors import AlreadyConnected, Busy, EngineRefused

Browser = TestClient[web.Request, web.Application]
EVENTS = f"/pair/{LINK}/events"


@pytest.fixture
def told() -> Told:
    """Have a pairing of words."""
    return Told(first=[state()])


@pytest.fixture
async def browser(told: Told) -> AsyncIterator[Browser]:
    """Open its page, without a key."""
    async with TestClient(TestServer(told.app())) as made:
        yield made


async def events(answer: ClientResponse, count: int) -> list[tuple[str, Any]]:
    """Read so many events."""
    found: list[tuple[str, Any]] = []
    while len(found) < count:
        block = (await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 20)).decode()
        if not block.startswith(":"):
            name, data = block.strip().split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def test_the_page_is_for_everybody_who_has_the_link(browser: Browser) -> None:
    """HTML under the strict policy, in the browser's language, kept by no cache and told to no other site."""
    answer = await browser.get(f"/pair/{LINK}", headers={"Accept-Language": "pt-BR,pt;q=0.9"})
    text = await answer.text()
    assert (answer.status, answer.content_type) == (200, "text/html")
    assert '<html lang="pt-BR">' in text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=|https?://(?!www\.w3\.org)", text)


@pytest.mark.parametrize("token", ["never-was", "x" * 500, "é"])
async def test_any_other_link_is_unknown(browser: Browser, token: str) -> None:
    """The page says so itself; the rest is refused with the same words."""
    answers = [
        await browser.get(f"/pair/{token}"),
        await browser.get(f"/pair/{token}/events"),
        await browser.post(f"/pair/{token}/code", json={"phone": "11987654321"}),
    ]
    assert [answer.status for answer in answers] == [404, 404, 404]
    assert [(await answer.json())["code"] for answer in answers[1:]] == ["unknown_link"] * 2


async def test_a_link_opens_nothing_else(browser: Browser) -> None:
    """No other address takes its token, and under its own there is nothing more."""
    for path in (f"/pair/{LINK}/qr", f"/pair/{LINK}/", "/pair/", "/api/whatsapp-integration/connections"):
        answer = await browser.get(path, headers={"X-API-KEY": LINK})
        assert answer.status in (401, 404), path
    assert (await browser.delete(f"/pair/{LINK}")).status == 405


async def test_what_the_stream_tells(browser: Browser, told: Told) -> None:
    """Each kind of news, with all that the page shows of it; the code only as a picture, the number only in part."""
    told.say(code(40), None, HeldUpNews("busy"), ConnectedNews("5511987650001"))
    async with browser.get(EVENTS) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        first, shown, held, done = await events(answer, 4)
    assert first == (
        "state",
        {
            "reason": "waiting_scan",
            "name": "Loja da Ana",
            "message": {
                "pt": "Aguardando a leitura do código no celular.",
                "en": "Waiting for the phone to scan the code.",
            },
        },
    )
    name, about = shown
    assert name == "code"
    assert (about["attempt"], 0 < about["secondsLeft"] <= 40) == (1, True)
    assert qr_reader.from_svg(about["svg"]) == CODE
    assert (held, done) == (("held", {"error": "busy"}), ("connected", {"phone": "+55 11 •••••-0001"}))


async def test_how_a_pairing_ended(browser: Browser, told: Told) -> None:
    """The reason, for the page to say in words."""
    told.say(EndedNews("passkey_required"))
    async with browser.get(EVENTS) as answer:
        assert (await events(answer, 2))[1] == ("ended", {"reason": "passkey_required"})


async def test_a_stream_ends_with_its_link(told: Told) -> None:
    """Whoever looks is not let look for longer."""
    told.life_s = 0.3
    async with TestClient(TestServer(told.app())) as browser, browser.get(EVENTS) as answer:
        assert b"state" in await asyncio.wait_for(answer.content.read(), 20)


async def test_a_stream_ends_by_itself(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is still there opens another."""
    monkeypatch.setattr(pair, "LONGEST_S", 0.3)
    async with browser.get(EVENTS) as answer:
        await asyncio.wait_for(answer.content.read(), 20)


async def test_a_stream_that_ends_by_itself_this_moment_does_not_fail_the_stop(told: Told) -> None:
    """Its time is over, and it is still on its way out."""
    port: Any = told
    page = pair.PairPage(Assets.read(), port, port, port, time.time)

    async def stream() -> None:
        async with asyncio.timeout(0) as end:
            with page._kept(end, "loja"):
                try:
                    await asyncio.Event().wait()
                finally:
                    await page._stop(web.Application())

    with pytest.raises(TimeoutError):
        await stream()


async def test_a_stream_does_not_hold_up_the_stop_of_the_service(told: Told) -> None:
    """It ends at once, though the pairing goes on."""
    browser = TestClient(TestServer(told.app()))
    await browser.start_server()
    async with browser.get(EVENTS) as answer:
        await events(answer, 1)
        began = time.monotonic()
        await browser.server.close()
        assert await asyncio.wait_for(answer.content.read(), 20) == b""
    assert time.monotonic() - began < 2
    await browser.close()


async def test_a_reader_that_takes_nothing_is_left(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is meant for it does not pile up: its connection is broken off, and its place is free."""
    monkeypatch.setattr(pair, "WRITE_S", 0.2)
    async with TestServer(told.app(), host="127.0.0.1") as server:
        assert server.port
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readline()
        transport: Any = writer.transport
        transport.pause_reading()
        for number in range(2000):  # some 20 MB, more than all buffers between us
            told.say(code(text=f"{CODE}{number % 50}"))
        await asyncio.wait_for(told.left.wait(), 60)
        assert told.heard.qsize() > 0
        writer.close()


async def test_only_so_many_may_look(browser: Browser, told: Told) -> None:
    """Of one link; the next is told to close one."""
    looking = [browser.get(EVENTS) for _ in range(pair.STREAMS_OF_ONE)]
    for one in looking:
        await events(await one.__aenter__(), 1)
    refused = await browser.get(EVENTS)
    assert (refused.status, (await refused.json())["code"]) == (429, "busy")
    for one in looking:
        await one.__aexit__(None, None, None)


async def test_a_code_to_type(browser: Browser, told: Told) -> None:
    """For a number as people write it."""
    answer = await browser.post(f"/pair/{LINK}/code", json={"phone": "(11) 98765-4321"})
    body = await answer.json()
    assert (answer.status, body["code"], told.asked) == (200, "ABCD-EFGH", ["5511987654321"])
    assert 0 < body["secondsLeft"] <= 160
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [(AlreadyConnected(), 409, "already_connected"), (Busy(), 429, "busy"), (EngineRefused(), 502, "refused")],
)
async def test_why_there_is_none(browser: Browser, told: Told, error: Any, status: int, word: str) -> None:
    """A problem, as everywhere."""
    told.typed = error
    answer = await browser.post(f"/pair/{LINK}/code", json={"phone": "11987654321"})
    assert (answer.status, (await answer.json())["code"]) == (status, word)


async def test_a_number_that_is_none(browser: Browser, told: Told) -> None:
    """Refused by name, and WhatsApp is not asked."""
    answer = await browser.post(f"/pair/{LINK}/code", json={"phone": "12"})
    body = await answer.json()
    assert (answer.status, body["code"], body["errors"][0]["field"]) == (422, "not_an_address", "body.phone")
    assert told.asked == []


async def test_codes_are_not_asked_for_without_end(browser: Browser, told: Told) -> None:
    """Each asks WhatsApp, which minds."""
    wish = {"phone": "11987654321"}
    statuses = [(await browser.post(f"/pair/{LINK}/code", json=wish)).status for _ in range(pair.CODES + 1)]
    assert statuses == [200] * pair.CODES + [429]
    assert len(told.asked) == pair.CODES


class Maker:
    """Makes links of words."""

    async def make(self, connection_id: str, expires_in_s: int) -> NewLink:
        if connection_id != "loja":
            raise UnknownConnection
        return NewLink(f"for-{expires_in_s}-s", datetime.fromtimestamp(1_800_000_000, UTC))

    async def open(self, token: str) -> Any:
        raise NotImplementedError


@asynccontextmanager
async def api(public_url: str | None = None) -> AsyncGenerator[Browser]:
    resources = (PairLinks(Maker(), public_url),)
    app = make_app(key="k", health_of=Health(lab=True, sessions=lambda: 0), resources=resources)
    async with TestClient(TestServer(app), headers={"X-API-KEY": "k"}) as made:
        yield made


LINKS = "/api/whatsapp-integration/connections/loja/pair-link"


@pytest.mark.parametrize(("public", "origin"), [("https://crm.example.com", "https://crm.example.com"), (None, None)])
async def test_a_link_is_made(public: str | None, origin: str | None) -> None:
    """It leads to where browsers reach the service: the setting's address, else the one that was asked."""
    async with api(public) as client:
        answer = await client.post(LINKS, json={"expiresInSeconds": 90})
        body = await answer.json()
        assert answer.status == 201
        assert body == {
            "url": f"{origin or str(client.make_url('')).rstrip('/')}/pair/for-90-s",
            "path": "/pair/for-90-s",
            "expiresAt": "2027-01-15T08:00:00Z",
        }
        assert (await (await client.post(LINKS, json={})).json())["path"] == "/pair/for-3600-s"


@pytest.mark.parametrize("wish", [{"expiresInSeconds": 59}, {"expiresInSeconds": 604_801}, {"expiresInSeconds": "90"}])
async def test_a_link_has_bounds(wish: Any) -> None:
    """A minute to a week."""
    async with api() as client:
        assert (await client.post(LINKS, json=wish)).status == 422


async def test_links_are_made_for_connections_and_with_the_key() -> None:
    """For nobody else."""
    async with api() as client:
        assert (await client.post(LINKS.replace("loja", "nenhuma"), json={})).status == 404
        assert (await client.post(LINKS, json={}, headers={"X-API-KEY": "x"})).status == 401
