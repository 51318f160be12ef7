"""Silent sessions are asked whether anybody is there; only what changed is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from sessions import frames
from sessions.worker import probe as probe_module
from sessions.worker.probe import Prober

ONE, TWO = "0001-one", "0002-two"
REFUSED = "error: websocket not connected"


@pytest.fixture
async def probe(bench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], None]]:
    """Begins to look round, without pause, at sessions that count as silent after a moment."""
    monkeypatch.setattr(probe_module, "JITTER_S", 0.0)
    monkeypatch.setattr(probe_module, "EVERY_S", 0.002)
    tasks: list[asyncio.Task[None]] = []

    def begin(silent_s: float = 0.0, answer_s: float = 10.0) -> None:
        prober = Prober(bench.host, bench.told.append, silent_s=silent_s, answer_s=answer_s)
        tasks.append(asyncio.create_task(prober.run()))

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def probed(bench: Any) -> list[frames.Probed]:
    return [one for one in bench.told if isinstance(one, frames.Probed)]


def answers(bench: Any, error: str = "") -> Callable[[], bytes]:
    def answer() -> bytes:
        return bench.host._library.proto.GetBlocklistReturnFunction(Error=error).SerializePartialToString()

    return answer


async def asked_again(bench: Any, until: Any, times: int = 3) -> None:
    before = bench.go.of(ONE).count("GetBlocklist")
    await until(lambda: bench.go.of(ONE).count("GetBlocklist") >= before + times)


async def opened(bench: Any, until: Any, session: str = ONE) -> None:
    await bench.open(session)
    await until(lambda: bench.host.seats[session].online)


async def test_one_that_answers_is_not_spoken_of(bench, probe, until):
    bench.go.blocklist = answers(bench)
    await opened(bench, until)
    probe()
    await asked_again(bench, until)
    assert probed(bench) == []


async def test_one_that_stops_answering_is_told_once_and_once_when_it_answers_again(bench, probe, until):
    bench.go.blocklist = answers(bench, REFUSED)
    await opened(bench, until)
    probe()
    await until(lambda: probed(bench))
    await asked_again(bench, until)
    assert probed(bench) == [frames.Probed(session=ONE, answered=False)]
    bench.go.blocklist = answers(bench)
    await until(lambda: len(probed(bench)) == 2)
    await asked_again(bench, until)
    assert probed(bench)[1:] == [frames.Probed(session=ONE, answered=True)]


async def test_no_answer_in_time_is_no_answer(bench, probe, until, held):
    bench.go.blocklist = held
    await opened(bench, until)
    probe(answer_s=0.01)
    await until(lambda: probed(bench))
    assert probed(bench) == [frames.Probed(session=ONE, answered=False)]


async def test_a_session_deaf_once_and_opened_anew_is_told_again_when_it_is_deaf_again(bench, probe, until):
    bench.go.blocklist = answers(bench, REFUSED)
    await opened(bench, until)
    probe()
    await until(lambda: len(probed(bench)) == 1)
    await bench.close(ONE)
    await opened(bench, until)
    await until(lambda: len(probed(bench)) == 2)
    assert probed(bench) == [frames.Probed(session=ONE, answered=False)] * 2


async def test_refused_sends_are_no_sign_of_life(bench, probe, until):
    """A session whose every send fails at once is not thereby heard."""
    await opened(bench, until)
    client = bench.host.seats[ONE].client
    silent_since = client._last_sign
    bench.go.on_send = lambda _text: bench.host._library.proto.SendMessageReturnFunction(Error="websocket not connected").SerializePartialToString()  # fmt: skip  # noqa: E501
    for number in range(3):
        await bench.send(ONE, str(number))
    assert client._last_sign == silent_since
    bench.go.blocklist = answers(bench, REFUSED)
    probe()
    await until(lambda: probed(bench))
    assert client._last_sign == silent_since


async def test_an_event_or_an_answer_is_a_sign_of_life(bench, until):
    await opened(bench, until)
    client = bench.host.seats[ONE].client
    for speak in (
        lambda: bench.go.sessions[ONE].event(26),
        lambda: asyncio.ensure_future(client.ask(deadline_s=5.0)),
    ):
        client._last_sign = 0.0
        bench.go.blocklist = answers(bench)
        speak()
        await until(lambda: client.silent_s < 100.0)


async def test_one_that_is_not_silent_or_not_online_is_left_alone(bench, probe, until):
    bench.go.blocklist = answers(bench)
    await opened(bench, until, TWO)
    await opened(bench, until, ONE)
    bench.host.seats[TWO].online = False
    probe()
    await asked_again(bench, until)
    assert "GetBlocklist" not in bench.go.of(TWO)


async def test_one_that_was_heard_lately_is_not_asked(bench, probe, until):
    for session in (ONE, TWO):
        await opened(bench, until, session)
    bench.go.blocklist = answers(bench)
    bench.host.seats[ONE].client._last_sign = -1e9
    probe(silent_s=3600.0)
    await until(lambda: "GetBlocklist" in bench.go.of(ONE))
    assert "GetBlocklist" not in bench.go.of(TWO)
    await until(lambda: bench.host.seats[ONE].client.silent_s < 3600.0)  # its answer was a sign of life


async def test_only_a_few_are_asked_at_once(bench, probe, until, held, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe_module, "AT_ONCE", 2)
    names = [f"000{number}-many" for number in range(5)]
    for name in names:
        await opened(bench, until, name)
    bench.go.blocklist = held
    probe()
    await until(lambda: sum(name == "GetBlocklist" for name, _ in bench.go.calls) == 2)
    held.let_go()
    await until(lambda: sum(name == "GetBlocklist" for name, _ in bench.go.calls) == 3)
    assert sum(name == "GetBlocklist" for name, _ in bench.go.calls) == 3


async def test_too_much_to_do_here_is_not_the_sessions_deafness(bench, probe, until, monkeypatch: pytest.MonkeyPatch):
    """Else a busy worker would throw its sessions out one after another."""
    await opened(bench, until)
    monkeypatch.setattr("sessions.worker.calls.MAX_WAITING", 0)
    probe()
    looks = 0

    def looked(_seat: Any) -> bool:
        nonlocal looks
        looks += 1
        return True

    monkeypatch.setattr(Prober, "_due", lambda _self, seat: looked(seat))
    await until(lambda: looks > 3)
    assert probed(bench) == []


async def test_when_it_ends_nobody_is_asked_any_more(bench, until, held, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe_module, "EVERY_S", 0.002)
    bench.go.blocklist = held
    await opened(bench, until)
    prober = asyncio.create_task(Prober(bench.host, bench.told.append, silent_s=-10.0).run())
    await until(lambda: "GetBlocklist" in bench.go.of(ONE))
    prober.cancel()
    await asyncio.gather(prober, return_exceptions=True)
    await until(lambda: not [task for task in asyncio.all_tasks() if task.get_name().startswith("probe-")])
