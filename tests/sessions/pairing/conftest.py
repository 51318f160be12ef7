"""A bench for every test of pairing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pairing_bench import WAIT_S, Bench

from sessions import pairing as pairing_module


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing_module, "QUIET_S", 0.02)
    monkeypatch.setattr(pairing_module, "LOCKED_PAUSE_S", 0.001)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    if bench.task:
        bench.task.cancel()
        await asyncio.gather(bench.task, return_exceptions=True)


@pytest.fixture
async def shown(bench: Bench, until: Any) -> Bench:
    """One that shows its first code."""
    bench.begin()
    await until(lambda: bench.worker.asked)
    bench.qr("2@first")
    await bench.pairing.qr(WAIT_S)
    return bench
