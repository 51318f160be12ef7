"""The real neonize against a lab: one lab a module, one child process of the engine a test."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import AsyncGenerator, Callable, Generator

import pytest
import pytest_asyncio

from benchmarks.lab_engine import Engine, running_engine
from lab.client import LabClient, Place, lab_process


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    """A running lab that keeps nothing."""
    with lab_process(log=tmp_path_factory.mktemp("lab") / "lab.log") as place:
        yield place


@pytest_asyncio.fixture(loop_scope="module")
async def lab(place: Place) -> AsyncGenerator[LabClient]:
    """The lab's control; whatever a test ordered to go wrong for everybody is over after it."""
    async with LabClient(place) as client:
        yield client
        await client.faults("clear")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def child(place: Place, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Engine]:
    """A process of the real engine: starting one costs half a second, so the tests of a module share it."""
    async with running_engine(place, tmp_path_factory.mktemp("engine"), threads=192) as engine:
        yield engine


@pytest.fixture
def engine(child: Engine) -> Engine:
    """The real engine, with session names of this test's own."""
    child.prefix = f"{uuid.uuid4().hex[:8]}-"
    return child


@pytest.fixture(scope="module")
def number() -> Callable[[], str]:
    """New phone numbers."""
    numbers = itertools.count(5511987650000)
    return lambda: str(next(numbers))


@pytest_asyncio.fixture(loop_scope="module")
async def phone(lab: LabClient, number: Callable[[], str]) -> str:
    """A phone called Ana."""
    new = number()
    await lab.phone(new, "Ana")
    return new


@pytest_asyncio.fixture(loop_scope="module")
async def contact(lab: LabClient, number: Callable[[], str]) -> str:
    """A phone called Bia."""
    new = number()
    await lab.phone(new, "Bia")
    return new
