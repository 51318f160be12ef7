"""The real neonize against a local WhatsApp: one lab a module, one fleet a test."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from benchmarks.database import Way
from benchmarks.database import database as supabase_project
from benchmarks.rig import Numbers, Rig
from connector.store.embedded import Embedded
from connector.store.migrate import migrate
from lab.client import LabClient, Place, lab_process

UP_S = 60.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    """A running lab."""
    log = tmp_path_factory.mktemp("lab") / "lab.log"
    with lab_process(log=log) as place:
        yield place


@pytest_asyncio.fixture
async def lab(place: Place) -> AsyncGenerator[LabClient]:
    """The lab's control."""
    async with LabClient(place) as client:
        yield client


@pytest.fixture(scope="module")
def number() -> Numbers:
    """New phone numbers."""
    return Numbers()


@pytest_asyncio.fixture
async def rig(tmp_path: Path, lab: LabClient) -> AsyncGenerator[Rig]:
    """A fleet with a folder of its own (a space and an accent in its path) and the lab."""
    data = tmp_path / "dados de sessão"
    data.mkdir()
    async with Rig(data, lab) as rig:
        yield rig


class Over(StrEnum):
    """What a service writes to, and how."""

    OWN = "own"  # its own PostgreSQL
    REST = "rest"  # a Supabase project, of which it has the address and the key and nothing else


@pytest_asyncio.fixture(params=Over)
async def record(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[dict[str, Any]]:
    """The settings of either: what is promised of a service is promised over both."""
    if request.param is Over.OWN:
        yield {}
        return
    project = tmp_path / "project"
    project.mkdir()
    async with supabase_project(project, Way.REST) as base:
        yield base.settings


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Embedded]:
    """A PostgreSQL with its tables that is not the service's own: a test may stop it, and start it again."""
    database = Embedded(tmp_path / "elsewhere", migrate)
    await database.start()
    try:
        assert await database.until_up(UP_S)
        yield database
    finally:
        await database.stop()
