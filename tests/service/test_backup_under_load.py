"""A copy taken under load, by the command itself, is a data folder that the service starts from."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.rig import Numbers
from benchmarks.service import Service
from lab.client import LabClient

SESSIONS = 3
TEXTS = 150


async def test_a_copy_taken_under_load_starts_and_its_sessions_connect(
    tmp_path: Path, lab: LabClient, number: Numbers, record: dict[str, Any]
) -> None:
    """While texts pour in: copied by another process, started elsewhere, linked without a new code, and what comes next is a row."""
    shops = [number() for _ in range(SESSIONS)]
    customer, late = number(), number()
    await lab.phone(customer, "Ana")
    await lab.phone(late, "Bia")
    copy = tmp_path / "cópia de hoje"
    async with Service(tmp_path / "data", lab, per_worker=2, **record) as service:
        await service.ready()
        for index, shop in enumerate(shops):
            await service.pair(f"loja-{index}", shop)
        writing = [asyncio.create_task(lab.write(customer, shop, "texto", count=TEXTS)) for shop in shops]
        said = await _back_up(service.data, copy)
        await asyncio.gather(*writing)
    assert f"{SESSIONS} sessions" in said
    assert {path.name for path in copy.iterdir()} >= {"sessions", "spool", "backup.json"}
    assert not [path for path in copy.rglob("*") if path.stat().st_mode & 0o077], "a copy is as secret as the original"

    async with Service(copy, lab, per_worker=2, **record) as service:
        await service.ready()
        await service.connected(SESSIONS)
        for index, shop in enumerate(shops):
            await lab.write(late, shop, f"depois {index}")
        for index in range(SESSIONS):
            await _has_row(service, f"loja-{index}", f"depois {index}")


async def _back_up(data: Path, to: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "connector", "backup", str(to)),
        env={**os.environ, "DATA_DIR": str(data)},
        cwd=data.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def _has_row(service: Service, connection: str, text: str) -> None:
    async with asyncio.timeout(60):
        while text not in {row["conteudo"] for row in await service.rows(connection)}:  # noqa: ASYNC110  # a fact nobody announces
            await asyncio.sleep(0.2)
