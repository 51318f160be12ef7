"""Operators over HTTP: states, restarts, the test, the stream of events. Over services in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from operated import Operated

from connector.api import sse
from connector.api.bootstrap import BASE, Bootstrap, StepOf
from connector.api.health import Health
from connector.api.server import Edge, make_app
from connector.events import Events
from connector.events.registry import Nothing
from connector.lifecycle import Condition, Job, Lifecycle, Name, Service
from connector.spool import Spool
from connector.store.errors import Misconfigured

KEY = {"X-API-KEY": "planted-key"}
Client = TestClient[web.Request, web.Application]


class House(Operated):
    """The same, with two services that restart once `held` is set, and with real events."""

    def __init__(self, events: Events) -> None:
        super().__init__()
        self.events = events
        self.held = asyncio.Event()
        self.held.set()
        self.ok = True
        self.lifecycle = Lifecycle([self._service("database"), self._service("sinks")], self.start, self.told)

    def _service(self, name: Name) -> Service:
        async def restart() -> None:
            await self.held.wait()

        return Service(name, lambda: Condition("degraded", "It waits."), restart)

    async def start(self) -> None: ...
    def told(self, job: Job) -> None: ...

    async def run(self) -> list[StepOf]:
        status = "ok" if self.ok else "fail"
        return [StepOf(name="disk", title="Disk", status=status, detail="74 GB free", remedy="", seconds=0.1)]


@pytest.fixture
async def events(tmp_path: Path) -> AsyncIterator[Events]:
    spool = await Spool.opened(tmp_path / "spool")
    told = Events(spool.journal, spool.outbox, frozenset())
    running = asyncio.create_task(told.run())
    yield told
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await spool.close()


@pytest.fixture
async def house(events: Events) -> House:
    return House(events)


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    resource = Bootstrap(house.lifecycle, house, house, house.events)
    app = make_app(
        key=KEY["X-API-KEY"],
        health_of=Health(lab=True, sessions=lambda: 0),
        resources=(resource,),
        edge=Edge(initialized=lambda: house.lifecycle.initialized),
    )
    async with TestClient(TestServer(app), headers=KEY) as client:
        yield client


async def test_a_service_that_waits_refuses_sessions_and_nothing_else(client: Client) -> None:
    for path in ("/api/whatsapp-integration/connections", "/sessions/loja/status", "/message/send", "/pair/x"):
        answer = await client.get(path)
        assert (answer.status, (await answer.json())["code"]) == (503, "not_initialized"), path
        assert answer.headers["Retry-After"]
    for path in ("/health/live", "/health/ready", f"{BASE}/status", "/openapi.json"):
        assert (await client.get(path)).status == 200, path
    assert (await client.post(f"{BASE}/initialize")).status == 200
    assert (await client.get("/sessions/loja/status")).status == 404  # nothing is served there in this test


async def test_initialize_says_what_runs(client: Client) -> None:
    before = await (await client.get(f"{BASE}/status")).json()
    assert (before["initialized"], before["services"][0]["state"]) == (False, "stopped")
    first = await (await client.post(f"{BASE}/initialize")).json()
    again = await (await client.post(f"{BASE}/initialize")).json()
    assert (first["started"], again["started"], again["initialized"]) == (True, False, True)
    assert first["services"] == [
        {"name": "database", "state": "degraded", "detail": "It waits."},
        {"name": "sinks", "state": "degraded", "detail": "It waits."},
    ]


async def test_a_start_that_somebody_has_to_mend_says_what(client: Client, house: House) -> None:
    async def start() -> None:
        raise Misconfigured("data/postgres was made by PostgreSQL 15: move it with pg_upgrade")

    house.lifecycle._start = start
    answer = await client.post(f"{BASE}/initialize")
    said = await answer.json()
    assert (answer.status, said["code"]) == (503, "cannot_start")
    assert "move it with pg_upgrade" in said["detail"]
    house.lifecycle._start = house.start
    assert (await client.post(f"{BASE}/initialize")).status == 200


@pytest.mark.parametrize(
    "how",
    [{}, {"data": b""}, {"headers": {"Content-Type": "application/json"}}, {"json": {}}, {"json": {"services": []}}],
)
async def test_a_restart_of_everything_needs_no_body(client: Client, how: dict[str, Any]) -> None:
    """As the first who asked for this endpoint call it."""
    await client.post(f"{BASE}/initialize")
    answer = await client.post(f"{BASE}/restart?wait=10", **how)
    assert (answer.status, (await answer.json())["services"]) == (200, ["database", "sinks"])


async def test_a_body_may_be_left_out_only_where_nothing_in_it_is_needed(client: Client) -> None:
    document = await (await client.get("/openapi.json")).json()
    assert document["paths"][f"{BASE}/restart"]["post"]["requestBody"]["required"] is False
    assert (await client.post(f"{BASE}/restart", data=b"[1]")).status == 415
    assert (await client.post(f"{BASE}/restart", json=[1])).status == 422


async def test_status_and_stats(client: Client) -> None:
    status = await (await client.get(f"{BASE}/status")).json()
    assert (status["status"], status["version"], status["lab"]) == ("degraded", "1.2.3", True)
    assert status["reasons"] == [{"code": "sink_record", "detail": "It waits."}]
    stats = await (await client.get(f"{BASE}/stats")).json()
    assert stats["database"] == {"kind": "embedded", "awaySeconds": None, "latencyMs": 1.5}


@pytest.mark.parametrize("ok", [True, False])
async def test_the_test_says_whether_everything_is_right(client: Client, house: House, ok: bool) -> None:
    house.ok = ok
    said = await (await client.post(f"{BASE}/test")).json()
    assert said["ok"] is ok
    assert said["steps"][0]["detail"] == "74 GB free"


async def test_a_restart_is_a_job_to_follow(client: Client, house: House) -> None:
    early = await client.post(f"{BASE}/restart", json={})
    assert (early.status, (await early.json())["code"]) == (503, "not_initialized")
    await house.lifecycle.initialize()
    house.held.clear()
    answer = await client.post(f"{BASE}/restart", json={"services": ["sinks"]})
    job = await answer.json()
    assert (answer.status, job["status"], job["services"]) == (202, "running", ["sinks"])
    refused = await client.post(f"{BASE}/restart", json={})
    assert (refused.status, (await refused.json())["code"]) == (409, "restart_under_way")
    followed = asyncio.create_task(client.get(answer.headers["Location"] + "?wait=30"))
    house.held.set()
    ended = await (await followed).json()
    assert (ended["status"], ended["errors"]) == ("done", {})
    assert ended["endedAt"]
    waited = await client.post(f"{BASE}/restart?wait=30", json={})
    assert (waited.status, (await waited.json())["services"]) == (200, ["database", "sinks"])


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/restart", {"services": ["engine"]}, 422, "body.services.0"),
        ("/restart", {"service": ["sinks"]}, 422, "body.service"),
        ("/restart?wait=1e9", {}, 422, "query.wait"),
        ("/restart", [], 422, "body"),
    ],
)
async def test_a_restart_that_makes_no_sense_is_refused(client: Client, path, body, status, field) -> None:
    answer = await client.post(BASE + path, json=body)
    said = await answer.json()
    assert answer.status == status
    assert field in [one["field"] for one in said["errors"]]


async def test_a_job_nobody_knows(client: Client) -> None:
    assert (await client.get(f"{BASE}/jobs/{'0' * 32}")).status == 404
    assert (await client.get(f"{BASE}/jobs/../status")).status in (200, 404)


# -- the stream -----------------------------------------------------------------------------------------------------------


async def lines(stream: aiohttp.ClientResponse, count: int) -> list[str]:
    """Answer the next lines that say something."""
    found: list[str] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            if line := (await stream.content.readline()).decode().strip():
                found.append(line)
    return found


async def test_events_are_streamed_as_they_happen(client: Client, house: House) -> None:
    async with client.get(f"{BASE}/events") as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert stream.headers["Cache-Control"] == "no-store"
        assert await lines(stream, 1) == [": hello"]
        house.events.publish(Nothing(), "serviceStarted")
        number, name, data = await lines(stream, 3)
    assert number.startswith("id: ")
    assert name == "event: serviceStarted"
    assert '"messageEn":"The service started."' in data


@pytest.mark.parametrize("how", ["query", "header"])
async def test_who_comes_back_goes_on_where_it_was(client: Client, house: House, how: str) -> None:
    async with client.get(f"{BASE}/events") as stream:
        await lines(stream, 1)
        house.events.publish(Nothing(), "serviceStarted")
        last = (await lines(stream, 3))[0].removeprefix("id: ")
    house.events.publish(Nothing(), "serviceStarted")
    query = {"after": last} if how == "query" else {}
    headers = {"Last-Event-ID": last} if how == "header" else {}
    async with client.get(f"{BASE}/events", params=query, headers=headers) as stream:
        _hello, number, name, _data = await lines(stream, 4)
    assert int(number.removeprefix("id: ")) > int(last)
    assert name == "event: serviceStarted"


@pytest.mark.parametrize("last", ["", "x", "-1", "９", "9" * 400])
async def test_a_header_that_is_no_number_of_an_event_ends_no_stream(client: Client, house: House, last: str) -> None:
    async with client.get(f"{BASE}/events", headers={"Last-Event-ID": last}) as stream:
        assert await lines(stream, 1) == [": hello"]
        house.events.publish(Nothing(), "serviceStarted")
        assert (await lines(stream, 3))[1] == "event: serviceStarted"


async def test_a_gap_is_told(client: Client) -> None:
    async with client.get(f"{BASE}/events?after=1") as stream:
        assert await lines(stream, 3) == [": hello", "event: gap", "data: {}"]


async def test_a_silent_stream_beats(client: Client, monkeypatch) -> None:
    monkeypatch.setattr(sse, "BEAT_S", 0.01)
    async with client.get(f"{BASE}/events") as stream:
        assert await lines(stream, 3) == [": hello", ": beat", ": beat"]


async def test_streams_end_with_the_service(client: Client, house: House) -> None:
    async with client.get(f"{BASE}/events") as stream:
        await lines(stream, 1)
        house.events.ended.set()
        async with asyncio.timeout(10):
            assert (await stream.content.read()).strip() == b""
    assert house.events.listeners == 0


async def test_a_caller_who_goes_is_forgotten(client: Client, house: House, monkeypatch) -> None:
    monkeypatch.setattr(sse, "BEAT_S", 0.01)
    stream = await client.get(f"{BASE}/events")
    await lines(stream, 1)
    stream.close()
    async with asyncio.timeout(10):
        while house.events.listeners:  # noqa: ASYNC110 - the server notices by itself
            await asyncio.sleep(0.01)


async def test_no_more_streams_than_can_be_served(client: Client, monkeypatch) -> None:
    monkeypatch.setattr(sse, "MOST", 1)
    async with client.get(f"{BASE}/events") as stream:
        await lines(stream, 1)
        refused = await client.get(f"{BASE}/events")
        assert (refused.status, (await refused.json())["code"]) == (429, "busy")


async def test_nobody_without_the_key(client: Client) -> None:
    for method, path in (
        ("GET", "/events"),
        ("GET", "/stats"),
        ("POST", "/initialize"),
        ("POST", "/restart"),
        ("POST", "/test"),
    ):
        answer = await client.request(method, BASE + path, headers={"X-API-KEY": "another"})
        assert answer.status == 401
