"""The whole service with nothing but a Supabase project's address and key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio
from as_supabase import new_project

from benchmarks.lite import SECRET_KEY, Lite
from benchmarks.rig import Numbers
from benchmarks.service import Service
from connector.store.embedded import Embedded
from connector.store.migrate import migrate
from lab.client import LabClient

LOOK_S = 0.1
WAIT_S = 90.0
TEXTS = 50


async def until(fact: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until the answer is something."""
    async with asyncio.timeout(WAIT_S):
        while not (found := await fact()):  # noqa: ASYNC110 - the service is another process
            await asyncio.sleep(LOOK_S)
    return found


@pytest_asyncio.fixture
async def project(tmp_path: Path) -> AsyncGenerator[Lite]:
    """A Supabase project on this machine, with Vigia's tables."""
    database = Embedded(tmp_path / "elsewhere", migrate)
    await database.start()
    try:
        assert await database.until_up(WAIT_S)
        folder = tmp_path / "lite"
        folder.mkdir()
        with Lite(database.url, folder) as endpoint:
            yield endpoint
    finally:
        await database.stop()


async def test_from_pairing_to_rows_over_rest_alone(
    tmp_path: Path, project: Lite, lab: LabClient, number: Numbers
) -> None:
    """Connect, pair, hear, send, read back; then the endpoint dies under it and comes back."""
    data = tmp_path / "data"
    data.mkdir()
    async with Service(data, lab, SUPABASE_URL=project.url, SUPABASE_SECRET_KEY=SECRET_KEY) as service:
        await service.ready()
        loja, ana = number(), number()
        await lab.phone(ana, "Ana")
        await service.pair("loja", loja)
        await lab.write(ana, loja, "entra", count=TEXTS)

        async def wrote(remetente: str) -> list[str]:
            return [row["conteudo"] for row in await service.rows("loja") if row["remetente"] == remetente]

        async def arrived(texts: list[str]) -> bool:
            return await wrote("CLIENTE") == texts

        entered = [f"entra {n}" for n in range(TEXTS)]
        await until(lambda: arrived(entered))
        sent = await service.send("loja", ana, "sai")
        assert (sent["status"], sent["recorded"]) == ("sent", True)
        assert sent["atendimentoId"] in {row["atendimento_id"] for row in await service.rows("loja")}

        project.kill()
        await lab.write(ana, loja, "longe", count=TEXTS)
        away = await service.send("loja", ana, "longe")
        assert (away["status"], away["recorded"], away["atendimentoId"]) == ("sent", False, None)
        project.start()
        await until(lambda: arrived([*entered, *(f"longe {n}" for n in range(TEXTS))]))
        assert await wrote("ATENDENTE") == ["sai", "longe"]
        later = await service.by_id(away["messageId"])
        assert (later["recorded"], later["atendimentoId"]) == (True, sent["atendimentoId"])
    assert not (data / "postgres").exists()
    logs = service.tail(1_000_000) + "".join(path.read_text() for path in (data / "logs").glob("*.log"))
    assert SECRET_KEY not in logs
    assert "rest/v1" not in logs


async def test_a_project_without_tables_parks_and_goes_on_when_they_are_there(
    tmp_path: Path, lab: LabClient, number: Numbers
) -> None:
    """What arrives meanwhile waits on disk, and the reason names the remedy."""
    data, folder = tmp_path / "data", tmp_path / "lite"
    data.mkdir()
    folder.mkdir()
    database = Embedded(tmp_path / "elsewhere", new_project)
    await database.start()
    try:
        assert await database.until_up(WAIT_S)
        with Lite(database.url, folder) as project:
            async with Service(data, lab, SUPABASE_URL=project.url, SUPABASE_SERVICE_ROLE_KEY=SECRET_KEY) as service:
                await service.ready()
                loja, ana = number(), number()
                await lab.phone(ana, "Ana")
                await service.pair("loja", loja)
                await lab.write(ana, loja, "cedo")
                assert "vigia migrate" in await until(lambda: _reason(service))
                await migrate(database.url)
                project.kill()
                project.start()  # as somebody who has the interface look at the tables again
                await service.stop()
                await service.start()  # parked rows are tried again at a start, before their time
                await service.ready()
                rows = await until(lambda: service.rows("loja"))
                assert [row["conteudo"] for row in rows] == ["cedo"]
    finally:
        await database.stop()


async def _reason(service: Service) -> str:
    """Answer what the readiness says of the record's sink, once it says so."""
    async with service._session.get("/health/ready") as answer:
        text = await answer.text()
    return text if "sink_record" in text else ""
