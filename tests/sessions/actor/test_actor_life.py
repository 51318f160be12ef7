"""One account kept connected, on an engine that only says what the test says. Waits are looked at, never waited for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from session_bench import FAULTS, NOW, ONE, PAIRED, WHO, Bench, hear

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
from sessions.lasting import first_state
from sessions.mailbox import Mailbox
from sessions.model import Life, Loss, Sign
from sessions.news import Lost
from sessions.plan import OVERDUE_S, TRYING_S
from sessions.register import Record
from sessions.state import Reason

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


async def test_a_start_that_stood_long_in_line_is_not_sent_back_to_its_end(
    bench: Bench, until, monkeypatch: pytest.MonkeyPatch
):
    """Its worker starts one session at a time. What it was given to settle begins when its own start is over."""
    monkeypatch.setattr(session_module, "SETTLE_S", 10.0)
    bench.tell_steady_time()
    bench.holding = asyncio.Event()
    bench.session.start()
    await until(lambda: bench.opens == 1)
    bench.steady += 170.0
    bench.holding.set()
    await until(lambda: bench.session._plan.wait_s is not None)
    assert (bench.session._plan.wait_s, bench.session.trying_s) == (10.0, 170.0)
    bench.live(Sign.CONNECTED)
    await until(lambda: bench.reason is Reason.CONNECTED)
    assert bench.opens == 1


async def test_started_twice_it_is_one_session(bench: Bench, until):
    bench.session.start()
    bench.session.start()
    await until(lambda: bench.opens >= 1)
    assert len([task for task in asyncio.all_tasks() if task.get_name() == f"session-{ONE[:8]}"]) == 1


async def test_a_try_that_hangs_is_broken_off_and_made_anew_when_it_is_started_again(bench: Bench, until):
    """The watchdog's remedy. What came meanwhile is heard all the same, and only one task is left."""
    bench.tell_steady_time()
    bench.holding = asyncio.Event()
    bench.session.start()
    await until(lambda: bench.opens == 1)
    bench.live(Sign.IDENTITY, identity=replace(WHO, push_name="Zé"))
    bench.steady += TRYING_S + 1.0
    assert bench.session.hangs
    bench.session.start()
    assert not bench.session.hangs
    await until(lambda: bench.opens == 2)
    assert bench.session.record.identity == replace(WHO, push_name="Zé")
    bench.holding.set()
    bench.live(Sign.CONNECTED)
    await until(lambda: bench.reason is Reason.CONNECTED)
    assert len([task for task in asyncio.all_tasks() if task.get_name() == f"session-{ONE[:8]}"]) == 1
    assert bench.opens == 2


async def test_a_try_that_is_long_due_is_made_when_it_is_started_again(bench: Bench, until):
    bench.tell_steady_time()
    bench.looking = asyncio.Event()
    bench.session.start()
    await until(lambda: bench.looks == 1)
    bench.steady += OVERDUE_S + 1.0
    assert (bench.session.hangs, bench.session.retry_in_s) == (True, 0.0)
    bench.looking = None
    bench.session.start()
    await until(lambda: bench.opens == 1)
    assert not bench.session.hangs


# -- without credentials -----------------------------------------------------------------------------------------------


async def test_logged_out_it_leaves_the_engine_and_keeps_nothing_of_the_account(connected: Bench, until):
    connected.live(Sign.LOGGED_OUT, code="2")
    await until(lambda: connected.calls == ["close"])
    assert connected.session.record == replace(PAIRED, identity=None, reason="logged_out", since=NOW)


async def test_logged_out_it_takes_no_notice_of_what_the_engine_still_says(connected: Bench, until):
    connected.live(Sign.LOGGED_OUT, code="2")
    await until(lambda: connected.calls == ["close"])
    for said in [one[1] for one in FAULTS] + [
        Lost(Loss.RESTARTING),
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
    assert first_state(record, NOW).reason is reason


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


async def test_stopped_and_started_it_does_not_believe_what_was_said_before(bench: Bench, until):
    """Else it counts as connected and is closed, and nobody tries anything."""
    bench.session.start()
    await until(lambda: bench.opens == 1)
    bench.live(Sign.CONNECTED)
    await bench.session.stop()
    bench.session.start()
    await until(lambda: bench.opens == 2)
    assert bench.calls == ["open", "close", "open"]
    assert bench.states[-2:] == [Reason.STOPPED, Reason.STARTING]


@pytest.mark.parametrize("said", [Life(Sign.LOGGED_OUT), frames.Qr(session=ONE, code="2@x")], ids=["said", "shown"])
async def test_stopped_at_the_moment_it_was_unlinked_it_still_knows(connected: Bench, said: Life | frames.Qr):
    hear(connected, said)
    await connected.session.stop()
    assert connected.states == [Reason.LOGGED_OUT]
    assert (connected.session.record.paired, connected.calls) == (False, ["close"])


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
    bench.session._news = Mailbox(5)
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
