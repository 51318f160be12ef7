"""The whole service, killed in the midst of things: the local WhatsApp's own list says what must be there afterwards."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from benchmarks.mayhem import Mayhem, Victim, Wish
from benchmarks.rig import Numbers
from benchmarks.service import Receiver, Service
from lab.client import LabClient


@pytest_asyncio.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    """Whoever is told by webhook."""
    async with Receiver() as receiver:
        yield receiver


@pytest_asyncio.fixture
async def service(tmp_path: Path, lab: LabClient, receiver: Receiver) -> AsyncGenerator[Service]:
    """The service, in a folder with a space and an accent in its path."""
    async with Service(tmp_path / "dados da loja", lab, webhook=receiver.url, per_worker=5) as service:
        await service.ready()
        yield service


async def test_a_hub_a_worker_and_the_database_killed_under_load(
    service: Service, receiver: Receiver, number: Numbers
) -> None:
    """Twenty sessions, 200 texts a second in, some out: rows, events and phones agree with the list. More: `scripts/soak --whole`."""
    mayhem = Mayhem(service, receiver, Wish(), number)
    sys.stdout.write(f"seed {mayhem.seed}\n")
    await mayhem.prepare()
    broken: list[str] = []
    for count, victim in enumerate(Victim, 1):
        one = await mayhem.round(count, victim)
        sys.stdout.write(f"{one}\n")
        broken += one.broken
    assert broken == []
