"""The HTTP server's manners: the key, the errors, the request id, health."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest
from aiohttp import ClientResponse, ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from connector.api.errors import Refusal
from connector.api.health import Health
from connector.api.server import FINISH_S, MAX_BODY_BYTES, Server, make_app
from connector.api.sockets import bind
from connector.logs import Logs
from sessions.redaction import Redactor

KEY = "planted-key-é"
ALLOWED = {"X-API-KEY": KEY}


async def boom(_request: web.Request) -> web.Response:
    raise RuntimeError("5511987654321 did it")


async def refuse(_request: web.Request) -> web.Response:
    raise Refusal(409, "busy", "Try again in a moment.", {"Retry-After": "1"})


async def swallow(request: web.Request) -> web.Response:
    return web.json_response({"bytes": len(await request.read())})


async def leave(_request: web.Request) -> web.Response:
    raise web.HTTPSeeOther("/elsewhere")


@pytest.fixture
async def client() -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Talk to the application, with some resources that misbehave."""
    app = make_app(key=KEY, health_of=Health(lab=True, sessions=lambda: 3))
    app.router.add_get("/boom", boom)
    app.router.add_get("/refuse", refuse)
    app.router.add_get("/leave", leave)
    app.router.add_post("/swallow", swallow)
    async with TestClient(TestServer(app)) as made:
        yield made


Client = TestClient[web.Request, web.Application]


async def problem(answer: ClientResponse, status: int, code: str) -> dict[str, object]:
    """Check that *answer* is a whole problem, and answer it."""
    assert answer.status == status
    assert answer.content_type == "application/problem+json"
    body = json.loads(await answer.text())
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"]
    assert body["detail"].endswith(".")
    assert body["requestId"] == answer.headers["X-Request-ID"]
    return body


async def test_health_needs_no_key(client: Client) -> None:
    """Probes are dumb; what they are told is no secret."""
    live = await client.get("/health/live")
    assert (live.status, await live.json()) == (200, {"status": "ok", "lab": True})
    ready = await client.get("/health/ready")
    assert (ready.status, await ready.json()) == (200, {"status": "ok", "lab": True, "sessions": 3})


@pytest.mark.parametrize(
    "headers", [{}, {"X-API-KEY": ""}, {"X-API-KEY": KEY + "x"}, {"X-API-KEY": KEY[:-1]}, {"Authorization": KEY}]
)
@pytest.mark.parametrize(
    "path", ["/swallow", "/nowhere", "/health", "/health/live/", "/health/live%2F", "/x//health/live"]
)
async def test_everything_else_does(client: Client, headers: dict[str, str], path: str) -> None:
    """Also addresses that do not exist: nobody learns which do."""
    body = await problem(await client.get(path, headers=headers), 401, "unauthorized")
    assert KEY not in json.dumps(body, ensure_ascii=False)


async def test_the_right_key_opens(client: Client) -> None:
    """Whatever letters it has."""
    answer = await client.post("/swallow", data=b"12345", headers=ALLOWED)
    assert (answer.status, await answer.json()) == (200, {"bytes": 5})


async def test_every_refusal_is_a_problem(client: Client) -> None:
    """Unknown address, wrong method, too much body, our own refusals, our own faults: one form."""
    await problem(await client.get("/nowhere", headers=ALLOWED), 404, "not_found")
    wrong_method = await client.delete("/swallow", headers=ALLOWED)
    await problem(wrong_method, 405, "method_not_allowed")
    assert wrong_method.headers["Allow"] == "POST"
    too_much = await client.post("/swallow", data=io.BytesIO(b"x" * (MAX_BODY_BYTES + 1)), headers=ALLOWED)
    await problem(too_much, 413, "request_entity_too_large")
    busy = await client.get("/refuse", headers=ALLOWED)
    await problem(busy, 409, "busy")
    assert busy.headers["Retry-After"] == "1"
    fault = await problem(await client.get("/boom", headers=ALLOWED), 500, "bug")
    assert "did it" not in json.dumps(fault)


async def test_a_redirection_is_no_problem(client: Client) -> None:
    """Only what went wrong is turned into one."""
    answer = await client.get("/leave", headers=ALLOWED, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/elsewhere")


@pytest.mark.parametrize("given", ["abc-123_X.y", "a" * 64])
async def test_a_callers_request_id_comes_back(client: Client, given: str) -> None:
    """So that it finds its own request in our log."""
    answer = await client.get("/health/live", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "é"])
async def test_an_odd_request_id_is_replaced(client: Client, given: str) -> None:
    """It goes into logs and answers: only plain ones are taken over."""
    answer = await client.get("/health/live", headers={"X-Request-ID": given} if given else {})
    assert UUID(answer.headers["X-Request-ID"])


async def test_versions_are_not_told(client: Client) -> None:
    """No Server header, on answers and on problems."""
    for path in ("/health/live", "/nowhere"):
        assert "Server" not in (await client.get(path)).headers


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """Read what is logged."""
    shown = io.StringIO()
    log = Logs(Redactor(), shown)
    log.open()
    logging.getLogger().setLevel(logging.DEBUG)
    yield shown
    log.close()


async def test_a_request_is_one_line_without_query_or_number(console: io.StringIO) -> None:
    """Faults bring their traceback under the same request id; probes stay quiet."""
    app = make_app(key=KEY, health_of=Health(lab=False, sessions=lambda: 0))
    app.router.add_get("/boom/{number}", boom)
    [listener] = bind("127.0.0.1", 0)
    server = Server(app, [listener])
    await server.start()
    async with TestClient(TestServer(app)) as elsewhere:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        headers = {**ALLOWED, "X-Request-ID": "mine"}
        async with elsewhere.session.get(f"{url}/boom/5511987654321?token=planted", headers=headers) as answer:
            assert answer.status == 500
        async with elsewhere.session.get(f"{url}/health/live") as answer:
            assert answer.status == 200
    await server.stop()
    text = console.getvalue()
    assert "5511987654321" not in text
    assert "planted" not in text
    assert "/health/live" not in text
    fault, *trace, access = text.splitlines()
    assert fault.endswith("A request failed: GET /boom/***4321 request=mine")
    assert trace[-1] == "    RuntimeError: ***4321 did it"
    assert "GET /boom/***4321: 500, " in access
    assert access.endswith(", from 127.0.0.1 request=mine")


async def test_what_a_page_asks_every_few_seconds_is_quiet(console: io.StringIO) -> None:
    """Its files and figures are no lines; a refusal of them is one."""

    async def found(_request: web.Request) -> web.Response:
        return web.json_response({})

    app = make_app(key=KEY, health_of=Health(lab=False, sessions=lambda: 0))
    for path in ("/assets/0/a.js", "/api/whatsapp-bootstrap/stats", "/api/whatsapp-bootstrap/restart"):
        app.router.add_get(path, found)
    [listener] = bind("127.0.0.1", 0)
    server = Server(app, [listener])
    await server.start()
    async with ClientSession(f"http://127.0.0.1:{listener.getsockname()[1]}") as caller:
        for path in ("/assets/0/a.js", "/api/whatsapp-bootstrap/stats", "/api/whatsapp-bootstrap/restart"):
            assert (await caller.get(path, headers=ALLOWED)).status == 200
        assert (await caller.get("/api/whatsapp-bootstrap/stats")).status == 401
    await server.stop()
    told = [line.partition(": GET ")[2].partition(",")[0] for line in console.getvalue().splitlines()]
    assert told == ["/api/whatsapp-bootstrap/restart: 200", "/api/whatsapp-bootstrap/stats: 401"]


async def test_a_request_that_does_not_end_holds_up_the_stop_no_longer_than_said() -> None:
    """What comes after it needs its time as well."""
    app = make_app(key=KEY, health_of=Health(lab=False, sessions=lambda: 0))
    reached = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        reached.set()
        await asyncio.Event().wait()
        return web.Response()

    app.router.add_get("/hang", hang)
    [listener] = bind("127.0.0.1", 0)
    server = Server(app, [listener])
    await server.start()
    async with ClientSession(f"http://127.0.0.1:{listener.getsockname()[1]}") as caller:
        hanging = asyncio.create_task(caller.get("/hang", headers=ALLOWED))
        await asyncio.wait_for(reached.wait(), 10)
        began = time.monotonic()
        await server.stop()
        assert time.monotonic() - began < 1.8 * FINISH_S
        await asyncio.gather(hanging, return_exceptions=True)
