"""Requests that nobody means well with: each is refused, by a problem that names the field, and reaches nothing."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import zlib
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from connector.api.server import MAX_BODY_BYTES, Server
from connector.api.sockets import bind

BASE = "/api/whatsapp-integration/connections"
SEND = "/api/whatsapp-integration/messages/send"
NEW: dict[str, Any] = {"connectionId": "c1", "name": "n", "ownerId": "o"}
TEXT: dict[str, Any] = {"connectionId": "c1", "to": "5511999999999", "content": "oi"}
JSON = {"Content-Type": "application/json"}


async def fields(answer: Any, status: int = 422) -> list[str]:
    """Check that *answer* is a problem of this status, and answer the fields it names."""
    assert answer.content_type == "application/problem+json"
    body = json.loads(await answer.text())
    assert (answer.status, body["status"]) == (status, status), body
    assert len(await answer.read()) < 20_000
    return [one["field"] for one in body.get("errors", [])]


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "a b",
        "a/b",
        "../x",
        ".",
        "..",
        "é",
        "a\x00b",
        "a\n",
        "x" * 65,
        "x" * 1_000_000,
        1,
        1.5,
        True,
        None,
        [],
        {},
        ["c1"],
        "\u202e1",
    ],
    ids=lambda value: str(value)[:10] or "empty",
)
async def test_names_that_are_none(client: Any, memory: Any, value: Any) -> None:
    """A connectionId is 1 to 64 plain characters."""
    assert await fields(await client.post(BASE, json={**NEW, "connectionId": value})) == ["body.connectionId"]
    assert await fields(await client.post(SEND, json={**TEXT, "connectionId": value})) == ["body.connectionId"]
    assert await fields(await client.post("/sessions/start", json={"tenantId": value})) == ["body.tenantId"]
    assert memory.asked == []


@pytest.mark.parametrize(
    "value", ["", "x" * 256, "nul\x00", 7, None, ["n"], {"n": "n"}], ids=lambda value: str(value)[:8] or "empty"
)
async def test_texts_that_do_not_fit(client: Any, memory: Any, value: Any) -> None:
    """Types are not guessed, lengths are bounded, U+0000 goes nowhere."""
    assert await fields(await client.post(BASE, json={**NEW, "name": value})) == ["body.name"]
    assert await fields(await client.post(BASE, json={**NEW, "ownerId": value})) == ["body.ownerId"]
    if value is not None:
        assert await fields(await client.post(BASE, json={**NEW, "companyId": value})) == ["body.companyId"]
    assert memory.asked == []


@pytest.mark.parametrize(
    "content", ["", "x" * 65_537, "\x00", 1, None, ["oi"]], ids=lambda value: str(value)[:8] or "empty"
)
async def test_contents_that_do_not_fit(client: Any, memory: Any, content: Any) -> None:
    """A text is 1 to 65,536 characters."""
    assert await fields(await client.post(SEND, json={**TEXT, "content": content})) == ["body.content"]
    assert memory.asked == []


async def test_everything_wrong_is_said_at_once(client: Any) -> None:
    """Path, query and body together; unknown fields by their names, cut."""
    answer = await client.post(SEND, json={"connectionId": 1, "to": "", "extra": 1, "y" * 5000: 2, "type": "image"})
    found = await fields(answer)
    assert found[:4] == ["body.connectionId", "body.to", "body.content", "body.type"]
    assert found[4] == "body.extra"
    assert len(found[5]) == 128
    both = await client.get(f"{BASE}/a%20b/qr", params={"wait": "long", "other": "1"})
    assert await fields(both) == ["path.connectionId", "query.wait", "query.other"]


async def test_a_flood_of_wrong_fields_is_cut(client: Any) -> None:
    """The answer stays small, however much is wrong."""
    assert len(await fields(await client.post(SEND, json={f"f{number}": 1 for number in range(20_000)}))) == 20


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "query.limit"),
        ("limit=501", "query.limit"),
        ("limit=-1", "query.limit"),
        ("limit=1e2", "query.limit"),
        ("limit=1_0", "query.limit"),
        ("limit=%2010", "query.limit"),
        ("limit=٣", "query.limit"),
        ("limit=" + "9" * 5000, "query.limit"),
        ("limit=", "query.limit"),
        ("limit=1&limit=2", "query.limit"),
        ("offset=-1", "query.offset"),
        ("offset=99999999999999999999", "query.offset"),
        ("status=CONNECTED", "query.status"),
        ("ownerId=%00", "query.ownerId"),
        ("ownerId=", "query.ownerId"),
        ("owner_id=x", "query.owner_id"),
        ("what=1", "query.what"),
    ],
    ids=lambda value: value[:24],
)
async def test_questions_that_do_not_fit(client: Any, memory: Any, query: str, field: str) -> None:
    """Numbers are digits within their bounds, words are those that are known, each once."""
    assert await fields(await client.get(f"{BASE}?{query}")) == [field]
    assert memory.asked == []


@pytest.mark.parametrize("wait", ["nan", "inf", "-inf", "-1", "61", "1e9", "x"])
async def test_waits_that_do_not_fit(client: Any, memory: Any, wait: str) -> None:
    """Nobody waits for ever."""
    assert await fields(await client.get(f"{BASE}/c1/qr", params={"wait": wait})) == ["query.wait"]
    assert memory.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nothing",
        b"\xff\xfe{\x00}\x00",
        b'{"connectionId": "\xff"}',
        b'{"connectionId": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"connectionId": NaN}',
        b"1" * 100_000,
        b'"text"',
        b"null",
        b"[]",
        b"true",
        b'{"connectionId": "c1"} trailing',
        b"\xef\xbb\xbf" + json.dumps(NEW).encode(),
        json.dumps(NEW).encode("utf-16"),
        json.dumps(NEW).encode("utf-32"),
        b"'" + json.dumps(NEW).encode() + b"'",
    ],
    ids=lambda value: repr(value[:16]),
)
async def test_bodies_that_are_no_objects(client: Any, memory: Any, body: bytes) -> None:
    """Broken, deep, differently encoded: refused as a whole."""
    found = await fields(await client.post(BASE, data=body, headers=JSON))
    assert {field.partition(".")[0] for field in found} == {"body"}
    assert memory.asked == []


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json", "application/problem+json"],
)
async def test_bodies_of_another_kind(client: Any, memory: Any, kind: str) -> None:
    """What a browser sends without asking is not taken, whatever it holds."""
    answer = await client.post(BASE, data=json.dumps(NEW).encode(), headers={"Content-Type": kind})
    assert await fields(answer, 415) == []
    assert memory.asked == []


async def test_a_body_may_say_its_charset(client: Any) -> None:
    """Programs do."""
    answer = await client.post(
        BASE, data=json.dumps(NEW).encode(), headers={"Content-Type": "application/json; charset=utf-8"}
    )
    assert answer.status == 201


async def test_bodies_are_bounded(client: Any, memory: Any) -> None:
    """Also those that unpack to more than they are."""
    assert await fields(await client.post(BASE, data=io.BytesIO(b" " * (MAX_BODY_BYTES + 1)), headers=JSON), 413) == []
    bomb = gzip.compress(b" " * (50 * MAX_BODY_BYTES))
    assert len(bomb) < MAX_BODY_BYTES
    answer = await client.post(BASE, data=bomb, headers={**JSON, "Content-Encoding": "gzip"})
    assert await fields(answer, 413) == []
    assert memory.asked == []


@pytest.mark.parametrize("body", [b"no gzip at all", zlib.compress(b"{}")[:-3]], ids=["other", "cut"])
async def test_bodies_that_do_not_unpack(client: Any, memory: Any, body: bytes) -> None:
    """The caller's mistake, not ours."""
    answer = await client.post(BASE, data=body, headers={**JSON, "Content-Encoding": "gzip"})
    await fields(answer, 400)
    assert memory.asked == []


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-API-KEY: planted\x00key\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST /sessions/start HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /sessions/start HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 planted\r\n\r\n",
        b"planted planted planted\r\n\r\n",
    ],
    ids=["path", "nul", "header", "lengths", "length", "tls", "words"],
)
async def test_what_is_no_request(rig: Any, raw: bytes) -> None:
    """Bytes that are no HTTP are answered by a problem too, which repeats nothing of them."""
    [listener] = bind("127.0.0.1", 0)
    host, port = listener.getsockname()
    server = Server(rig.app, [listener])
    await server.start()
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(raw)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    finally:
        await server.stop()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 400 ") or head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "bad_request"
    assert b"planted" not in answer


async def test_without_the_key_nothing_is_read(rig: Any) -> None:
    """Not even to be refused by its fields."""
    async with TestClient(TestServer(rig.app)) as stranger:
        for method, path in [
            ("POST", BASE),
            ("GET", f"{BASE}/c1"),
            ("POST", SEND),
            ("POST", "/sessions/start"),
            ("GET", "/metrics"),
        ]:
            answer = await stranger.request(method, path, json={"x": 1})
            assert (answer.status, (await answer.json())["code"]) == (401, "unauthorized")
    assert rig.memory.asked == []
