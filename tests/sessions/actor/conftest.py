"""A bench for every test of the actor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from session_bench import Bench

from sessions import plan as plan_module
from sessions.backoff import Retry
from sessions.model import Sign
from sessions.state import Reason


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.session.stop(reason=None)


@pytest.fixture
async def connected(bench: Bench, until: Any) -> Bench:
    """One that is connected, and whose past is forgotten by the bench."""
    bench.session.start()
    await until(lambda: bench.opens == 1)
    bench.live(Sign.CONNECTED)
    await until(lambda: bench.reason is Reason.CONNECTED)
    for past in (bench.calls, bench.states, bench.kept):
        past.clear()
    return bench


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Retry, int]]:
    """Waits are asked for as ever, but hardly made."""
    asked: list[tuple[Retry, int]] = []

    def wait_s(kind: Retry, failures: int, _chance: Callable[[], float]) -> float:
        asked.append((kind, failures))
        return 0.001

    monkeypatch.setattr(plan_module, "wait_s", wait_s)
    return asked
