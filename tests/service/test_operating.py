"""What operators do while texts go in and out: they restart services, try the whole chain, hear what happens. Nothing is lost by it."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from benchmarks.rig import Numbers
from benchmarks.service import Receiver, Service
from benchmarks.traffic import Traffic
from benchmarks.verdict import Judge
from connector.store.cluster import Cluster
from lab.client import LabClient

BOOTSTRAP = "/api/whatsapp-bootstrap"
SHOPS = 3
UP_S = 90.0


class Operator:
    """Somebody with the key of a service."""

    def __init__(self, service: Service) -> None:
        self._http = service._session
        self.heard: list[dict[str, Any]] = []
        self._more = asyncio.Condition()

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request; answers the JSON of what was done."""
        async with self._http.request(method, BOOTSTRAP + path, json=body) as answer:
            said = await answer.json()
            assert answer.ok, said
            return said

    async def listen(self, after: int | None = None) -> None:
        """Hear events until cancelled."""
        query = {} if after is None else {"after": str(after)}
        forever = aiohttp.ClientTimeout(total=None, sock_read=60)
        async with self._http.get(f"{BOOTSTRAP}/events", params=query, timeout=forever) as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            number = 0
            async for line in stream.content:
                word, _, rest = line.decode().rstrip("\n").partition(": ")
                if word == "id":
                    assert int(rest) > number
                    number = int(rest)
                elif word == "data" and rest != "{}":
                    async with self._more:
                        self.heard.append({"number": number, **json.loads(rest)})
                        self._more.notify_all()

    async def until(self, name: str, **data: Any) -> dict[str, Any]:
        """Wait for an event; answers it."""

        def found() -> dict[str, Any] | None:
            fits = (one for one in self.heard if one["type"] == name and data.items() <= one["data"].items())
            return next(fits, None)

        async with asyncio.timeout(UP_S), self._more:
            await self._more.wait_for(lambda: found() is not None)
        event = found()
        assert event is not None
        return event


@pytest.mark.timeout(420)
async def test_restarting_everything_under_load_loses_nothing_and_needs_no_phone(
    tmp_path: Path, lab: LabClient, number: Numbers, record: dict[str, Any]
) -> None:
    """Each service by itself, then all of them, while customers write and the CRM sends."""
    async with (
        Receiver() as receiver,
        Service(tmp_path / "data", lab, webhook=receiver.url, per_worker=2, **record) as service,
    ):
        await service.ready()
        traffic = Traffic(service, random.Random(5), rate=30.0, sends=3.0)
        await traffic.open(SHOPS, number)
        linked = {
            shop.connection: (await service.ask("GET", f"/connections/{shop.connection}"))["jid"]
            for shop in traffic.shops
        }
        operator = Operator(service)
        listening = asyncio.create_task(operator.listen())
        traffic.begin()
        await operator.until("messageReceived")
        for name in ("sinks", "watchdog", "database", "sessions", "workers"):
            job = await operator.ask("POST", "/restart?wait=120", {"services": [name]})
            assert (job["status"], job["errors"]) == ("done", {})
        job = await operator.ask("POST", "/restart", {})
        assert job["services"] == ["database", "sinks", "workers", "sessions", "watchdog"]
        job = await operator.ask("GET", f"/jobs/{job['jobId']}?wait=240")
        assert (job["status"], job["errors"]) == ("done", {})
        await service.connected(SHOPS)
        await operator.until("serviceRestarted", services=job["services"])
        await traffic.end()
        verdict = await Judge(service, receiver, traffic).judge()
        assert verdict.broken == []
        assert not any(verdict.missing.values())
        for connection, jid in linked.items():
            assert (await service.ask("GET", f"/connections/{connection}"))["jid"] == jid
        heard = {one["type"] for one in operator.heard}
        assert {"connected", "disconnected", "messageReceived", "messageSent", "serviceRestarted"} <= heard
        assert not listening.done()
        book = (await operator.ask("GET", "/audit?limit=5"))["items"]
        assert [(one["actor"], one["action"], one["about"], one["done"]) for one in reversed(book)] == [
            ("operator", "restart", name, True) for name in job["services"]
        ]
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


@pytest.mark.timeout(300)
async def test_a_restart_under_way_does_not_outlive_the_service(
    tmp_path: Path, lab: LabClient, number: Numbers, record: dict[str, Any]
) -> None:
    """It is broken off before anything is stopped, also where somebody waits for it: nothing is started anew behind the end."""
    async with Service(tmp_path / "data", lab, **record) as service:
        await service.ready()
        await service.pair("loja", number())
        operator = Operator(service)
        listening = asyncio.create_task(operator.listen())
        await operator.ask("POST", "/restart", {"services": ["workers", "sessions", "watchdog"]})
        assert service._process
        service._process.terminate()
        assert await asyncio.wait_for(service._process.wait(), 30) == 0
        await asyncio.gather(listening, return_exceptions=True)
        _, stopping, after = service.tail(20_000).partition("Stopping:")
        assert stopping
        assert "Restarting" not in after


async def metrics_of(service: Service) -> list[str]:
    """Answer the samples of a scrape."""
    async with service._session.get("/metrics") as answer:
        return [line for line in (await answer.text()).splitlines() if not line.startswith("#")]


@pytest.mark.timeout(300)
async def test_a_service_that_waits_for_an_operator(tmp_path: Path, lab: LabClient, number: Numbers) -> None:
    """It answers how it is, refuses the rest, and starts when told; then the whole chain is right, a message included."""
    async with Service(tmp_path / "data", lab, AUTO_INITIALIZE="false") as service:
        await service.ready()
        operator = Operator(service)
        assert not (await operator.ask("GET", "/status"))["initialized"]
        assert not any(one.startswith("vigia_database_") for one in await metrics_of(service))
        refused = await service.look("/connections")
        assert (refused.status, refused.body["code"]) == (503, "not_initialized")
        async with service._session.post(f"{BOOTSTRAP}/restart", json={}) as early:
            assert (early.status, (await early.json())["code"]) == (503, "not_initialized")
        started = await asyncio.gather(*(operator.ask("POST", "/initialize") for _ in range(3)))
        assert sorted(one["started"] for one in started) == [False, False, True]
        listening = asyncio.create_task(operator.listen(after=0))
        mine = number()
        await lab.phone(mine, "Loja")
        await service.recorded("/atendimentos/active")  # the database is up
        await service.ask("POST", "/connections", {"connectionId": "loja", "name": "Loja", "ownerId": "dono"})
        shown = (await service.ask("GET", "/connections/loja/qr", wait=30))["code"]
        assert (await in_the_table(service))["qr_code"] == shown
        await lab.scan(mine, shown)
        await service.connected(1, "loja")
        await operator.until("connected", connectionId="loja")
        tested = await operator.ask("POST", "/test")
        wrong = [step for step in tested["steps"] if step["status"] not in ("ok", "warn")]
        assert wrong == []
        assert tested["ok"]
        assert {"engine", "database", "probe", "queues", "sessions", "message"} <= {
            step["name"] for step in tested["steps"]
        }
        assert await gone_from_the_table(service)
        stats = await operator.ask("GET", "/stats")
        assert stats["connections"]["byReason"] == {"connected": 1}
        assert (stats["pairingsEnded"], stats["deadLetters"]) == ({"paired": 1}, {"record": 0, "inbound": 0})
        assert stats["http"]["byStatus"]["5xx"] >= 2  # what was refused above
        assert any(one.startswith("vigia_database_up ") for one in await metrics_of(service))
        status = await operator.ask("GET", "/status")
        assert {one["name"]: one["state"] for one in status["services"]}["sessions"] == "running"
        last = operator.heard[-1]["number"]
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

        again = Operator(service)
        listening = asyncio.create_task(again.listen(after=last))
        await lab.fault((await service.ask("GET", "/connections/loja"))["jid"], "removed")
        told = await again.until("sessionNeedsYou", connectionId="loja")
        assert told["severity"] == "critical"
        types = [one["type"] for one in again.heard]
        assert types.index("disconnected") < types.index("sessionNeedsYou")
        assert told["data"]["reason"] == "logged_out"
        assert all(one["number"] > last for one in again.heard)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def in_the_table(service: Service) -> dict[str, Any]:
    """Answer the one row of whatsapp_sessions, once it says that a code waits to be scanned."""
    connection = await asyncpg.connect(Cluster.at(service.data / "postgres").url)
    try:
        async with asyncio.timeout(UP_S):
            while True:
                row = await connection.fetchrow("select reason, qr_code from public.whatsapp_sessions")
                if row and row["qr_code"]:
                    return dict(row)
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def gone_from_the_table(service: Service) -> bool:
    """Answer whether the code of a phone that is linked is nobody's to read any more."""
    connection = await asyncpg.connect(Cluster.at(service.data / "postgres").url)
    try:
        row = await connection.fetchrow("select status, qr_code, last_seen_at from public.whatsapp_sessions")
        return bool(row) and row["qr_code"] is None and row["status"] == "connected"
    finally:
        await connection.close()
