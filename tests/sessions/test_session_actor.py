"""One account kept connected, on an engine that only says what the test says. Waits are looked at, never waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sessions import frames
from sessions import session as session_module
from sessions.backoff import Retry
from sessions.errors import (
    Busy,
    Deadline,
    DiskFull,
    EngineRefused,
    FixUs,
    GivenUp,
    Locked,
    NotConnected,
    SessionsError,
    UnknownSession,
    WorkerGone,
)
from sessions.model import Identity, Life, SessionId, Sign
from sessions.register import Record, Register
from sessions.session import Lost, LowDisk, Session, Tools
from sessions.state import Reason, State

ONE = SessionId("2f5c7a10-0000-4000-8000-000000000001")
WHO = Identity(jid="5511999990000:3@s.whatsapp.net", lid=None, phone="5511999990000")
NOW = 1_800_000_000.0
PAIRED = Record(ONE, identity=WHO)


class Bench:
    """A session with everything around it acted by the test and written down."""

    def __init__(self, folder: Path, record: Record = PAIRED, now: float = NOW) -> None:
        self.calls: list[str] = []
        self.answers: list[SessionsError | Exception | None] = []
        self.holding: asyncio.Event | None = None
        self.reached = True
        self.now = now
        self.states: list[Reason] = []
        self.kept: list[Record] = []
        tools = Tools(
            engine=self,
            reachable=self.reachable,
            register=Register(folder),
            keep=self.kept.append,
            changed=self.changed,
            clock=lambda: self.now,
            chance=lambda: 0.0,
        )
        self.session = Session(record, tools)

    async def open(self, session: SessionId, database: Path) -> None:
        assert (session, database.name) == (ONE, f"{ONE}.db")
        self.calls.append("open")
        if self.holding:
            await self.holding.wait()
        if self.answers and (answer := self.answers.pop(0)):
            raise answer

    async def close(self, session: SessionId) -> None:
        assert session == ONE
        self.calls.append("close")

    async def reachable(self) -> bool:
        return self.reached

    def changed(self, session: SessionId, before: State, now: State) -> None:
        assert session == ONE
        assert before != now
        self.states.append(now.reason)

    def live(self, sign: Sign, **fields: Any) -> None:
        self.session.hear(frames.Alive(session=ONE, life=Life(sign, **fields)))

    @property
    def reason(self) -> Reason:
        return self.session.state.reason

    @property
    def opens(self) -> int:
        return self.calls.count("open")


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

    monkeypatch.setattr(session_module, "wait_s", wait_s)
    return asked


# -- starting ----------------------------------------------------------------------------------------------------------


async def test_started_it_connects_and_says_so(bench: Bench, until):
    bench.session.start()
    await until(lambda: bench.opens == 1)
    assert bench.reason is Reason.STARTING
    assert bench.session.retry_in_s is None, "it tries now"
    bench.live(Sign.IDENTITY, identity=replace(WHO, push_name="Zé"))
    bench.live(Sign.CONNECTED)
    await until(lambda: bench.reason is Reason.CONNECTED)
    assert bench.session.retry_in_s is None
    assert bench.kept[-1].identity == replace(WHO, push_name="Zé")
    assert bench.calls == ["open"]


OPENS = [
    (Locked(), Reason.LOCKED, 0.2),
    (DiskFull(), Reason.DISK_FULL, 5.0),
    (WorkerGone(), Reason.WORKER_RESTARTING, 0.1),
    (Deadline(), Reason.UNREACHABLE, 1.0),
    (EngineRefused(), Reason.REFUSED, 5.0),
    (FixUs(), Reason.REFUSED, 5.0),
]


@pytest.mark.parametrize(("error", "reason", "wait"), OPENS, ids=lambda value: type(value).__name__)
async def test_what_keeps_it_from_opening_has_a_name_and_a_wait(bench: Bench, until, error, reason, wait):
    bench.answers = [error]
    bench.session.start()
    await until(lambda: reason in bench.states)
    assert bench.session.retry_in_s is None or bench.session.retry_in_s <= wait
    await until(lambda: bench.opens == 2 or (bench.session.retry_in_s or 0.0) > wait - 1.0)


@pytest.mark.parametrize("error", [Locked(), WorkerGone(), DiskFull(), Deadline(), EngineRefused(), KeyError("ours")])
async def test_it_tries_again_longer_and_longer_until_it_succeeds(bench: Bench, until, waits, error: Exception):
    bench.answers = [error] * 5
    bench.session.start()
    await until(lambda: bench.opens == 6)
    assert [failures for _kind, failures in waits] == [1, 2, 3, 4, 5]
    assert len({kind for kind, _failures in waits}) == 1
    bench.live(Sign.CONNECTED)
    await until(lambda: bench.reason is Reason.CONNECTED)


async def test_a_worker_that_was_given_up_is_said_at_once_and_not_waited_for(bench: Bench, until):
    bench.answers = [GivenUp()]
    bench.session.start()
    await until(lambda: bench.reason is Reason.CRASH_LOOP)
    assert bench.session.retry_in_s is None


async def test_while_whatsapp_cannot_be_reached_the_engine_is_not_troubled(bench: Bench, until, waits):
    bench.reached = False
    bench.session.start()
    await until(lambda: len(waits) >= 4)
    assert bench.opens == 0
    assert bench.reason is Reason.UNREACHABLE
    assert waits[:3] == [(Retry.FIRST_CONNECT, 1), (Retry.FIRST_CONNECT, 2), (Retry.FIRST_CONNECT, 3)]
    bench.reached = True
    await until(lambda: bench.opens == 1)


async def test_a_start_that_shows_nothing_is_made_anew(bench: Bench, until, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session_module, "SETTLE_S", 0.01)
    bench.session.start()
    await until(lambda: bench.opens == 3)


async def test_started_twice_it_is_one_session(bench: Bench, until):
    bench.session.start()
    bench.session.start()
    await until(lambda: bench.opens >= 1)
    assert len([task for task in asyncio.all_tasks() if task.get_name() == f"session-{ONE[:8]}"]) == 1


# -- what the engine says ----------------------------------------------------------------------------------------------

DAY_S = 86_400.0

FAULTS: list[tuple[str, Any, Reason, float | None]] = [
    ("disconnected", Life(Sign.DISCONNECTED), Reason.RECONNECTING, 20.0),
    ("keep-alive missed", Life(Sign.KEEPALIVE_TIMEOUT, code="1"), Reason.DEAF, 5.0),
    ("stream error", Life(Sign.STREAM_ERROR, code="463"), Reason.DEAF, 0.5),
    ("logged out", Life(Sign.LOGGED_OUT, code="2"), Reason.LOGGED_OUT, None),
    ("replaced", Life(Sign.REPLACED), Reason.REPLACED, 30.0),
    ("banned for a day", Life(Sign.BANNED, code="2", until_s=86_400), Reason.BANNED, DAY_S),
    ("banned without end", Life(Sign.BANNED, code="2"), Reason.BANNED, 3600.0),
    ("outdated", Life(Sign.OUTDATED), Reason.OUTDATED, None),
    ("refused", Life(Sign.CONNECT_FAILURE, code="8"), Reason.REFUSED, 5.0),
    ("refused as outdated", Life(Sign.CONNECT_FAILURE, code="6"), Reason.OUTDATED, None),
    ("pump dead", frames.Ended(session=ONE, error="pump_dead"), Reason.DEAF, 0.5),
    ("engine ended", frames.Ended(session=ONE, error="engine"), Reason.DEAF, 0.5),
    ("dial refused", frames.Ended(session=ONE, error="unreachable"), Reason.UNREACHABLE, 1.0),
    ("probe unanswered", frames.Probed(session=ONE, answered=False), Reason.DEAF, 0.5),
    ("given up", lambda: Lost(given_up=True), Reason.CRASH_LOOP, None),
    ("disk low", LowDisk(), Reason.DISK_FULL, 5.0),
    ("credentials gone", frames.Qr(session=ONE, code="2@x"), Reason.LOGGED_OUT, None),
    ("credentials gone, said otherwise", frames.LoginStatus(session=ONE, status="timeout"), Reason.LOGGED_OUT, None),
]  # fmt: skip


def hear(bench: Bench, said: Any) -> None:
    said = said() if callable(said) else said
    bench.session.hear(frames.Alive(session=ONE, life=said) if isinstance(said, Life) else said)


@pytest.mark.parametrize(("said", "reason", "wait"), [one[1:] for one in FAULTS], ids=[one[0] for one in FAULTS])
async def test_each_fault_has_its_state_and_its_next_try(connected: Bench, until, said, reason, wait):
    hear(connected, said)
    await until(lambda: connected.states)
    assert connected.states == [reason]
    left = connected.session.retry_in_s
    if wait is None:
        assert left is None
    else:
        assert left is not None
        assert wait - 3.0 < left <= wait
    assert connected.opens == 0


@pytest.mark.parametrize(("said", "reason"), [one[1:3] for one in FAULTS], ids=[one[0] for one in FAULTS])
async def test_each_fault_is_over_when_it_connects_again(connected: Bench, until, said, reason: Reason):
    hear(connected, said)
    await until(lambda: connected.reason is reason)
    if not connected.session.record.paired:
        connected.session.move(Reason.LINKING)
        connected.session.adopt(WHO)
    connected.now += 2 * DAY_S  # no ban lasts so long
    connected.session.start()
    await until(lambda: connected.opens == 1)
    connected.live(Sign.CONNECTED)
    await until(lambda: connected.reason is Reason.CONNECTED)
    assert connected.session.retry_in_s is None


async def test_what_heals_by_itself_is_not_opened_anew(connected: Bench, until):
    for fault, cure in [(Sign.DISCONNECTED, Sign.CONNECTED), (Sign.KEEPALIVE_TIMEOUT, Sign.KEEPALIVE_RESTORED)]:
        connected.live(fault)
        connected.live(cure)
    connected.session.hear(frames.Probed(session=ONE, answered=False))
    connected.session.hear(frames.Probed(session=ONE, answered=True))
    await until(lambda: len(connected.states) == 6)
    assert connected.states[1::2] == [Reason.CONNECTED] * 3
    assert connected.session.retry_in_s is None
    assert connected.calls == []


async def test_deaf_it_says_so_until_it_hears_again(connected: Bench, until, waits):
    connected.session.hear(frames.Ended(session=ONE, error="pump_dead"))
    await until(lambda: connected.opens == 1)
    assert connected.states == [Reason.DEAF]
    connected.live(Sign.CONNECTED)
    await until(lambda: connected.reason is Reason.CONNECTED)
    assert connected.states == [Reason.DEAF, Reason.CONNECTED]


async def test_deaf_again_while_it_is_opened_it_is_opened_once_more_at_once(connected: Bench, until, waits):
    for _ in range(3):
        connected.session.hear(frames.Ended(session=ONE, error="engine"))
    await until(lambda: connected.opens >= 1)
    connected.session.hear(frames.Ended(session=ONE, error="engine"))
    opens = connected.opens
    await until(lambda: connected.opens > opens)


async def test_replaced_again_it_waits_longer_each_time(connected: Bench, until):
    for wait in (30.0, 60.0, 120.0):
        connected.live(Sign.REPLACED)
        await until(lambda: connected.reason is Reason.REPLACED)
        left = connected.session.retry_in_s
        assert left is not None
        assert wait - 3.0 < left <= wait
        connected.session._open_at = time.monotonic()
        connected.session.hear(session_module._NOTHING)
        opens = connected.opens
        await until(lambda: connected.opens > opens)  # noqa: B023  # awaited here and now
        connected.live(Sign.CONNECTED)
        await until(lambda: connected.reason is Reason.CONNECTED)


async def test_connected_long_enough_earlier_failures_are_forgotten(
    connected: Bench, until, waits, monkeypatch: pytest.MonkeyPatch
):
    async def fail_once() -> tuple[Retry, int]:
        opens = connected.opens
        connected.live(Sign.STREAM_ERROR)
        await until(lambda: connected.opens > opens)
        connected.live(Sign.CONNECTED)
        await until(lambda: connected.reason is Reason.CONNECTED)
        return waits[-1]

    assert [await fail_once() for _ in range(3)] == [(Retry.REOPEN, 1), (Retry.REOPEN, 2), (Retry.REOPEN, 3)]
    monkeypatch.setattr(session_module, "STEADY_S", -1.0)
    assert await fail_once() == (Retry.REOPEN, 1)


async def test_a_missed_keep_alive_says_nothing_about_a_session_that_is_not_connected(connected: Bench, until):
    connected.live(Sign.REPLACED)
    connected.live(Sign.KEEPALIVE_TIMEOUT)
    connected.live(Sign.STREAM_ERROR)
    connected.live(Sign.OFFLINE_DONE)
    await until(lambda: connected.session._news.empty() and connected.states)
    assert connected.states == [Reason.REPLACED]


@pytest.mark.parametrize("held", [Life(Sign.REPLACED), Life(Sign.BANNED, until_s=600), Life(Sign.OUTDATED), LowDisk()])
async def test_a_dropped_connection_does_not_shorten_what_it_was_told_to_wait(connected: Bench, until, held):
    hear(connected, held)
    await until(lambda: connected.states)
    told, left = connected.reason, connected.session.retry_in_s
    connected.live(Sign.DISCONNECTED)
    connected.session.hear(frames.Ended(session=ONE, error="unreachable"))
    await until(lambda: connected.session._news.empty())
    assert connected.states == [told]
    assert (connected.session.retry_in_s is None) == (left is None)
    assert left is None or abs((connected.session.retry_in_s or 0.0) - left) < 2.0


# -- bans --------------------------------------------------------------------------------------------------------------


async def test_a_ban_says_until_when_and_outlives_a_restart(connected: Bench, tmp_path: Path, until):
    connected.live(Sign.BANNED, code="2", until_s=86_400)
    await until(lambda: connected.reason is Reason.BANNED)
    assert connected.session.state.detail == "2027-01-16 08:00 UTC"
    record = connected.kept[-1]
    assert record.retry_at == pytest.approx(NOW + DAY_S, abs=5)

    later = Bench(tmp_path, record, now=NOW + DAY_S - 100)
    assert (later.reason, later.session.state.detail) == (Reason.BANNED, "2027-01-16 08:00 UTC")
    later.session.start()
    assert later.session.retry_in_s == pytest.approx(100, abs=5)
    await later.session.stop(reason=None)
    assert later.opens == 0

    after = Bench(tmp_path, record, now=NOW + DAY_S + 10)
    assert after.reason is Reason.STARTING
    after.session.start()
    await until(lambda: after.opens == 1)
    await after.session.stop(reason=None)


async def test_a_ban_that_ended_early_is_over_also_after_a_restart(connected: Bench, tmp_path: Path, until):
    connected.live(Sign.BANNED, code="2", until_s=86_400)
    connected.live(Sign.CONNECTED)
    await until(lambda: connected.states == [Reason.BANNED, Reason.CONNECTED])
    assert Bench(tmp_path, connected.kept[-1]).reason is Reason.STARTING


# -- its worker --------------------------------------------------------------------------------------------------------


async def test_when_its_worker_is_lost_it_is_opened_again_at_once(connected: Bench, until):
    connected.session.hear(Lost(given_up=False))
    await until(lambda: connected.opens == 1)
    assert connected.states == [Reason.WORKER_RESTARTING, Reason.STARTING]
    connected.live(Sign.CONNECTED)
    await until(lambda: connected.reason is Reason.CONNECTED)


async def test_the_loss_of_a_worker_is_old_news_once_it_is_open_in_the_next(connected: Bench, until):
    """It hears of the loss only after it waited for the next worker: to open again would throw out what just came back."""
    connected.holding = asyncio.Event()
    connected.session.hear(frames.Ended(session=ONE, error="engine"))
    await until(lambda: connected.opens == 1)
    connected.session.hear(Lost(given_up=False))
    connected.holding.set()
    connected.live(Sign.CONNECTED)
    await until(lambda: connected.reason is Reason.CONNECTED)
    await until(lambda: connected.session._news.empty())
    assert connected.opens == 1
    assert Reason.WORKER_RESTARTING not in connected.states


@pytest.mark.parametrize("held", [Life(Sign.REPLACED), Life(Sign.BANNED, until_s=600), Life(Sign.OUTDATED)])
async def test_a_lost_worker_is_nothing_to_a_session_that_waits_for_something_else(connected: Bench, until, held):
    hear(connected, held)
    connected.session.hear(Lost(given_up=False))
    await until(lambda: connected.states and connected.session._news.empty())
    assert len(connected.states) == 1
    assert connected.opens == 0


async def test_news_that_came_before_its_time_is_up_is_heard_first(connected: Bench, until):
    """What was planned may be no longer wanted."""
    connected.holding = asyncio.Event()
    connected.live(Sign.STREAM_ERROR)
    await until(lambda: connected.reason is Reason.DEAF)
    connected.session._open_at = time.monotonic() - 1.0
    connected.live(Sign.KEEPALIVE_RESTORED)
    await until(lambda: connected.reason is Reason.CONNECTED or connected.opens)
    assert (connected.reason, connected.opens) == (Reason.CONNECTED, 0)


# -- without credentials -----------------------------------------------------------------------------------------------


async def test_logged_out_it_leaves_the_engine_and_keeps_nothing_of_the_account(connected: Bench, until):
    connected.live(Sign.LOGGED_OUT, code="2")
    await until(lambda: connected.calls == ["close"])
    assert connected.session.record == replace(PAIRED, identity=None, reason="logged_out", since=NOW)


async def test_logged_out_it_takes_no_notice_of_what_the_engine_still_says(connected: Bench, until):
    connected.live(Sign.LOGGED_OUT, code="2")
    await until(lambda: connected.calls == ["close"])
    for said in [one[1] for one in FAULTS] + [
        Lost(given_up=False),
        Life(Sign.IDENTITY, identity=WHO),
        Life(Sign.CONNECTED),
    ]:
        hear(connected, said)
    await until(lambda: connected.session._news.empty())
    assert connected.states == [Reason.LOGGED_OUT]
    assert connected.session.retry_in_s is None
    assert not connected.session.record.paired


async def test_paired_again_it_connects_with_the_new_credentials(connected: Bench, until):
    connected.live(Sign.LOGGED_OUT)
    await until(lambda: connected.reason is Reason.LOGGED_OUT)
    connected.session.move(Reason.LINKING)
    connected.session.adopt(replace(WHO, jid="5511999990000:4@s.whatsapp.net"))
    connected.session.start()
    await until(lambda: connected.opens == 1)
    connected.live(Sign.CONNECTED)
    await until(lambda: connected.reason is Reason.CONNECTED)


FIRST = [
    (Record(ONE), Reason.NEVER_PAIRED),
    (Record(ONE, reason="pairing_ended"), Reason.PAIRING_ENDED),
    (Record(ONE, reason="passkey_required"), Reason.PASSKEY_REQUIRED),
    (Record(ONE, reason="logged_out", wanted=False), Reason.LOGGED_OUT),
    (Record(ONE, reason="outdated"), Reason.NEVER_PAIRED),
    (Record(ONE, reason="a word of another version"), Reason.NEVER_PAIRED),
    (PAIRED, Reason.STARTING),
    (replace(PAIRED, reason="logged_out"), Reason.STARTING),
    (replace(PAIRED, reason="crash_loop"), Reason.STARTING),
    (replace(PAIRED, wanted=False, reason="stopped"), Reason.STOPPED),
    (replace(PAIRED, wanted=False, reason="never_paired"), Reason.STOPPED),
    (replace(PAIRED, reason="banned", retry_at=NOW + 5), Reason.BANNED),
    (replace(PAIRED, reason="banned", retry_at=NOW - 5), Reason.STARTING),
    (replace(PAIRED, reason="banned"), Reason.STARTING),
]


@pytest.mark.parametrize(("record", "reason"), FIRST, ids=lambda value: getattr(value, "reason", ""))
def test_where_it_stands_when_the_service_starts(record: Record, reason: Reason):
    assert session_module._first_state(record, NOW).reason is reason


# -- stopping ----------------------------------------------------------------------------------------------------------


async def test_stopped_it_is_closed_and_stays_so_after_a_restart(connected: Bench):
    await connected.session.stop()
    assert connected.calls == ["close"]
    assert connected.reason is Reason.STOPPED
    assert connected.session.retry_in_s is None
    assert (connected.kept[-1].wanted, connected.kept[-1].identity) == (False, WHO)
    connected.live(Sign.DISCONNECTED)
    assert connected.session._news.empty(), "nobody is there to hear it"


async def test_when_the_service_ends_its_state_and_wish_stay(connected: Bench):
    await connected.session.stop(reason=None)
    assert (connected.calls, connected.states, connected.kept) == ([], [], [])


async def test_stopped_while_it_opens_it_does_not_wait_for_that(bench: Bench, until):
    bench.holding = asyncio.Event()
    bench.session.start()
    await until(lambda: bench.opens == 1)
    await asyncio.wait_for(bench.session.stop(), 5)
    assert bench.calls == ["open", "close"]
    assert bench.reason is Reason.STOPPED


async def test_stopped_at_the_very_moment_it_hears_something_it_still_stops(connected: Bench):
    connected.live(Sign.DISCONNECTED)
    await asyncio.sleep(0)
    await asyncio.wait_for(connected.session.stop(), 5)
    assert connected.reason is Reason.STOPPED


async def test_stopped_and_started_it_connects(connected: Bench, until):
    await connected.session.stop()
    connected.session.start()
    await until(lambda: connected.opens == 1)
    assert connected.session.record.wanted
    connected.live(Sign.CONNECTED)
    await until(lambda: connected.reason is Reason.CONNECTED)


@pytest.mark.parametrize("reason", ["never_paired", "logged_out", "pairing_ended", "passkey_required"])
async def test_one_without_credentials_stays_what_it_is_when_stopped(tmp_path: Path, reason: str):
    bench = Bench(tmp_path, Record(ONE, reason=reason))
    await bench.session.stop()
    assert bench.reason.code == reason


async def test_started_while_it_waits_it_tries_at_once_and_counts_anew(connected: Bench, until):
    connected.live(Sign.REPLACED)
    await until(lambda: connected.reason is Reason.REPLACED)
    connected.session.start()
    await until(lambda: connected.opens == 1)
    assert connected.reason is Reason.STARTING


# -- faults of ours ----------------------------------------------------------------------------------------------------


async def test_hearing_never_blocks_or_fails_however_much_is_said(bench: Bench, until, monkeypatch: pytest.MonkeyPatch):
    """Whoever speaks is the worker of many sessions."""
    bench.session._news = asyncio.Queue(5)
    bench.holding = asyncio.Event()
    bench.session.start()
    await until(lambda: bench.opens == 1)
    for _ in range(50):
        bench.live(Sign.OFFLINE_DONE)
    bench.holding.set()
    await until(bench.session._news.empty)
    bench.live(Sign.CONNECTED)
    await until(lambda: bench.reason is Reason.CONNECTED)


async def test_a_listener_that_fails_costs_the_session_nothing(connected: Bench, until, waits):
    def fail(*_args: Any) -> None:
        raise RuntimeError("a fault of ours")

    connected.session._tools = replace(connected.session._tools, changed=fail)
    connected.live(Sign.DISCONNECTED)
    await until(lambda: waits == [(Retry.REOPEN, 1)])
    connected.session._tools = replace(connected.session._tools, changed=connected.changed)
    await until(lambda: connected.opens == 1)
    connected.live(Sign.CONNECTED)
    await until(lambda: connected.reason is Reason.CONNECTED)


def test_errors_that_opening_can_raise_are_all_of_one_family():
    assert issubclass(Busy, SessionsError)
    assert issubclass(NotConnected, SessionsError)
    assert issubclass(UnknownSession, SessionsError)
