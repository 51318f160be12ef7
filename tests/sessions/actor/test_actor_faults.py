"""What the engine says, and what a session makes of it. Waits are looked at, never waited for."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from session_bench import DAY_S, FAULTS, NOW, ONE, WHO, Bench, hear

from sessions import frames
from sessions import plan as plan_module
from sessions.backoff import Retry
from sessions.model import Life, Loss, Sign
from sessions.news import Lost, LowDisk
from sessions.state import Reason

# -- what the engine says ----------------------------------------------------------------------------------------------


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


async def test_away_for_everybody_the_engine_rests_and_is_not_asked_again_until_whatsapp_is_back(
    connected: Bench, until
):
    connected.reached = False
    connected.live(Sign.DISCONNECTED)
    await until(lambda: connected.reason is Reason.RECONNECTING)
    connected.session._plan._at = time.monotonic()  # the look, long before the engine's own time is up
    connected.session._news.wake()
    await until(lambda: connected.reason is Reason.UNREACHABLE)
    assert connected.calls == ["rest"]
    for _ in range(3):
        connected.session._plan._at = time.monotonic()
        connected.session._news.wake()
        await until(lambda: (connected.session.retry_in_s or 0.0) > 0.5)
    assert connected.calls == ["rest"]
    connected.reached = True
    connected.session._plan._at = time.monotonic()
    connected.session._news.wake()
    await until(lambda: connected.calls == ["rest", "open"])


async def test_a_dropped_connection_that_can_be_made_is_the_engines_to_make(connected: Bench, until):
    connected.live(Sign.DISCONNECTED)
    await until(lambda: connected.reason is Reason.RECONNECTING)
    connected.session._plan._at = time.monotonic()
    connected.session._news.wake()
    await until(lambda: connected.session._plan._patient_until is None)
    await until(lambda: (connected.session.retry_in_s or 0.0) > 10.0)
    assert connected.calls == []


async def test_it_waits_for_its_turn_once_and_takes_no_second(connected: Bench, until):
    connected.turns = [0.05, 99.0]
    connected.session._plan.after(0.0)
    connected.session._news.wake()
    await until(lambda: connected.opens == 1)
    assert connected.turns == [99.0]


async def test_while_it_is_being_opened_another_start_changes_nothing(connected: Bench, until):
    """Two healers, one patient: the watchdog's reconnect does not throw out the try that is under way."""
    connected.holding = asyncio.Event()
    connected.session.hear(frames.Ended(session=ONE, error="engine"))
    await until(lambda: connected.opens == 1)
    connected.session.start()
    connected.holding.set()
    connected.live(Sign.CONNECTED)
    await until(lambda: connected.reason is Reason.CONNECTED and connected.session._news.empty())
    assert connected.calls == ["open"]


async def test_when_its_phone_was_seen_is_kept_and_never_goes_back(connected: Bench, until):
    assert connected.session.record.phone_seen_at == NOW, "of a phone that never showed: from the first connection on"
    connected.now = NOW + 100
    for ahead in (50, 20, 1e6):
        connected.session.hear(frames.PhoneSeen(session=ONE, at_ms=int((NOW + ahead) * 1000)))
    await until(lambda: connected.session._news.empty() and len(connected.kept) == 2)
    assert [record.phone_seen_at for record in connected.kept] == [NOW + 50, NOW + 100]


async def test_that_its_phone_was_told_of_is_kept_until_it_is_seen(connected: Bench, until):
    connected.session.phone_told(12)
    assert [record.phone_told_days for record in connected.kept] == [12]
    connected.now = NOW + 100
    connected.session.hear(frames.PhoneSeen(session=ONE, at_ms=int((NOW + 50) * 1000)))
    await until(lambda: len(connected.kept) == 2)
    assert connected.session.record.phone_told_days == 0, "it may go away again, and that is told anew"


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
        connected.session._plan._at = time.monotonic()
        connected.session._news.wake()
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
    monkeypatch.setattr(plan_module, "STEADY_S", -1.0)
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
    connected.session.hear(Lost(Loss.RESTARTING))
    await until(lambda: connected.opens == 1)
    assert connected.states == [Reason.WORKER_RESTARTING, Reason.STARTING]
    connected.live(Sign.CONNECTED)
    await until(lambda: connected.reason is Reason.CONNECTED)


async def test_isolated_it_counts_once_what_it_hears_twice(connected: Bench, until):
    """It hears of it where it waits for its worker, and as one of those that worker lost."""
    first_s = Retry.ISOLATED.value.first_s
    for _ in range(2):
        connected.session.hear(Lost(Loss.ISOLATED))
        await until(lambda: connected.reason is Reason.ISOLATED and connected.session._news.empty())
    assert connected.session.retry_in_s is not None
    assert first_s - 10 < connected.session.retry_in_s <= first_s
    assert connected.states == [Reason.ISOLATED]


async def test_the_loss_of_a_worker_is_old_news_once_it_is_open_in_the_next(connected: Bench, until):
    """It hears of the loss only after it waited for the next worker: to open again would throw out what just came back."""
    connected.holding = asyncio.Event()
    connected.session.hear(frames.Ended(session=ONE, error="engine"))
    await until(lambda: connected.opens == 1)
    connected.session.hear(Lost(Loss.RESTARTING))
    connected.holding.set()
    connected.live(Sign.CONNECTED)
    await until(lambda: connected.reason is Reason.CONNECTED)
    await until(lambda: connected.session._news.empty())
    assert connected.opens == 1
    assert Reason.WORKER_RESTARTING not in connected.states


OF_ITS_WORKER = [LowDisk(), LowDisk(full=False), *Loss]
HELD = [Life(Sign.REPLACED), Life(Sign.BANNED, until_s=600), Life(Sign.OUTDATED), Life(Sign.CONNECT_FAILURE, code="8")]


@pytest.mark.parametrize("news", OF_ITS_WORKER, ids=str)
@pytest.mark.parametrize("held", HELD, ids=lambda held: held.sign)
async def test_what_befalls_its_worker_is_nothing_to_a_session_that_waits_for_something_else(
    connected: Bench, until, held: Life, news: LowDisk | Loss
):
    """Else a banned account is tried again seconds later, and one that somebody opened elsewhere is fought for."""
    hear(connected, held)
    await until(lambda: connected.states)
    told, left = connected.session.state, connected.session.retry_in_s
    connected.session.hear(Lost(news) if isinstance(news, Loss) else news)
    await until(connected.session._news.empty)
    assert connected.session.state == told
    assert connected.session.retry_in_s == (None if left is None else pytest.approx(left, abs=2.0))
    assert connected.calls == []


async def test_what_is_wrong_with_its_disk_may_turn_out_to_be_something_else(connected: Bench, until):
    connected.session.hear(LowDisk())
    connected.session.hear(LowDisk(full=False))
    await until(lambda: connected.reason is Reason.UNWRITABLE)
    assert connected.states == [Reason.DISK_FULL, Reason.UNWRITABLE]


async def test_news_that_came_before_its_time_is_up_is_heard_first(connected: Bench, until):
    """What was planned may be no longer wanted."""
    connected.holding = asyncio.Event()
    connected.live(Sign.STREAM_ERROR)
    await until(lambda: connected.reason is Reason.DEAF)
    connected.session._plan._at = time.monotonic() - 1.0
    connected.live(Sign.KEEPALIVE_RESTORED)
    await until(lambda: connected.reason is Reason.CONNECTED or connected.opens)
    assert (connected.reason, connected.opens) == (Reason.CONNECTED, 0)
