"""The whole service, killed in the midst of things: the local WhatsApp's own list says what must be there afterwards."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

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
async def service(
    tmp_path: Path, lab: LabClient, receiver: Receiver, record: dict[str, Any]
) -> AsyncGenerator[Service]:
    """The service, in a folder with a space and an accent in its path."""
    async with Service(tmp_path / "dados da loja", lab, webhook=receiver.url, per_worker=5, **record) as service:
        await service.ready()
        yield service


async def test_a_hub_a_worker_and_the_database_killed_under_load(
    service: Service, receiver: Receiver, number: Numbers, record: dict[str, Any]
) -> None:
    """Twenty sessions, 200 texts a second in, some out: rows, events and phones agree with the list. More: `scripts/soak --whole`."""
    mayhem = Mayhem(service, receiver, Wish(), number)
    sys.stdout.write(f"seed {mayhem.seed}\n")
    await mayhem.prepare()
    broken: list[str] = []
    own = not record  # a Supabase project's database is killed in test_outage.py
    for count, victim in enumerate((one for one in Victim if own or one is not Victim.POSTGRES), 1):
        one = await mayhem.round(count, victim)
        sys.stdout.write(f"{one}\n")
        broken += one.broken
    assert broken == []
