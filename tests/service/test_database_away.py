"""The database away for a minute while texts go in and out: callers are told the truth at once, and afterwards nothing is missing."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from pathlib import Path

import aiohttp
import psutil
import pytest

from benchmarks.rig import Numbers
from benchmarks.service import Answer, Receiver, Service
from benchmarks.traffic import Asked, Traffic
from benchmarks.verdict import Judge
from connector.store.embedded import Embedded
from lab.client import LabClient

SHOPS = 4
TEXTS_A_SECOND = 40.0
SENDS_A_SECOND = 4.0
SOON_S = 6.0  # far less than any chain of time-outs, far more than a busy machine needs
LOOK_S = 0.5
UP_S = 60.0


class Gone:
    """It ended: whoever connects is refused."""

    seconds = 60.0

    def __init__(self, database: Embedded) -> None:
        self._database = database

    async def leave(self) -> None:
        """Go away."""
        await self._database.stop()

    async def come_back(self) -> None:
        """Be there again."""
        await self._database.start()


class Frozen(Gone):
    """Nobody is refused, and nobody answered, as when its host is gone."""

    seconds = 20.0

    async def leave(self) -> None:
        self._signal(signal.SIGSTOP)

    async def come_back(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        first = psutil.Process(self._database.view.pid or 0)
        for process in (first, *first.children(recursive=True)):
            process.send_signal(number)


@pytest.mark.timeout(420)
@pytest.mark.parametrize("kind", [Gone, Frozen])
async def test_texts_go_in_and_out_without_the_database(
    tmp_path: Path, database: Embedded, lab: LabClient, number: Numbers, kind: type[Gone]
) -> None:
    """Sends answer 201 and `recorded: false`, reads 503; then every text is a row, once, in order, and every send knows where."""
    away = kind(database)
    async with (
        Receiver() as receiver,
        Service(tmp_path / "data", lab, webhook=receiver.url, DATABASE_URL=database.url) as service,
    ):
        await service.ready()
        traffic = Traffic(service, random.Random(3), rate=TEXTS_A_SECOND, sends=SENDS_A_SECOND)
        await traffic.open(SHOPS, number)
        traffic.begin()
        known = await _an_atendimento(service)
        gone = time.monotonic()
        await away.leave()
        try:
            reads = await _reads(service, known, until=gone + away.seconds)
            if kind is Gone:  # one that is silent is noticed only when the record's own patience ends
                status, word, reasons = await _readiness(service)
                assert (status, word, "sink_record" in reasons) == (200, "degraded", True)
        finally:
            back = time.monotonic()
            await away.come_back()
        await _recorded_again(traffic, back)
        await traffic.end()

        _told_at_once(reads)
        meanwhile = [one for one in traffic.asked if one.began > gone + LOOK_S and one.ended < back]
        assert len(meanwhile) > away.seconds
        _sent_unrecorded(meanwhile)
        verdict = await Judge(service, receiver, traffic).judge()
        sys.stdout.write(
            f"{sum(traffic.written.values())} texts in, {len(meanwhile)} sends and {len(reads)} reads meanwhile\n"
        )
        assert verdict.broken == []
        assert not any(verdict.missing.values())
        await _all_known(service, traffic)
        assert await _readiness(service) == (200, "ok", [])


async def _an_atendimento(service: Service) -> str:
    """Wait until the record has one; answers its id."""
    async with asyncio.timeout(UP_S):
        while not (items := (await service.recorded("/atendimentos/active"))["items"]):  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK_S)
    return items[0]["id"]


async def _recorded_again(traffic: Traffic, back: float) -> None:
    """Wait until a send is answered with where it was recorded."""
    async with asyncio.timeout(UP_S):
        while not any(one.began > back and one.recorded for one in traffic.asked):  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK_S)


async def _reads(service: Service, atendimento: str, *, until: float) -> list[Answer]:
    """Ask for what only the database knows, again and again."""
    answers: list[Answer] = []
    while time.monotonic() < until:
        answers += [await service.look("/atendimentos/active"), await service.look(f"/messages/{atendimento}")]
        await asyncio.sleep(LOOK_S)
    return answers


async def _readiness(service: Service) -> tuple[int, str, list[str]]:
    async with aiohttp.ClientSession() as http, http.get(f"{service.url}/health/ready") as answer:
        said = await answer.json()
    return answer.status, said["status"], [one["code"] for one in said.get("reasons", [])]


def _told_at_once(reads: list[Answer]) -> None:
    assert {(one.status, one.body["code"]) for one in reads} == {(503, "record_away")}
    assert {one.headers["Content-Type"].partition(";")[0] for one in reads} == {"application/problem+json"}
    assert all(int(one.headers["Retry-After"]) > 0 for one in reads)
    assert max(one.seconds for one in reads) < SOON_S


def _sent_unrecorded(meanwhile: list[Asked]) -> None:
    assert {(one.refused, one.status, one.recorded) for one in meanwhile} == {(None, "sent", False)}
    assert max(one.ended - one.began for one in meanwhile) < SOON_S


async def _all_known(service: Service, traffic: Traffic) -> None:
    """By-id tells each send's atendimento, which is the one that its row lies in."""
    for shop in traffic.shops:
        rows = {row["id"]: row["atendimento_id"] for row in await service.rows(shop.connection)}
        for asked in traffic.asked:
            if asked.shop is shop:
                told = await service.by_id(str(asked.message_id))
                assert (told["recorded"], told["atendimentoId"]) == (True, rows[told["messageId"]])
