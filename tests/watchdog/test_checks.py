"""What counts as wrong: tables of snapshots and the findings they lead to."""

from __future__ import annotations

import pytest

from sessions.model import Identity, SessionId
from sessions.ports import SessionView
from sessions.state import RUNNING, Reason, State
from watchdog.checks import AWAY_S, SILENT_S, STUCK_S, findings
from watchdog.remedies import KickSink, Nothing, Reconnect, RestartPostgres, RestartWorker, code
from watchdog.sights import DatabaseSight, DiskSight, SinkSight, SinkState, Snapshot, WorkerSight

NOW = 1_000_000.0
ONE = SessionId("one")
WHO = Identity(jid="1@s.whatsapp.net", lid=None, phone="1")


def session(
    reason: Reason,
    *,
    since_s: float = 0.0,
    retry_in_s: float | None = None,
    silent_s: float | None = None,
    identity: Identity | None = WHO,
) -> SessionView:
    return SessionView(ONE, State(reason, "", NOW - since_s), identity, silent_s, retry_in_s, lab=False)


def found(now: Snapshot, before: Snapshot | None = None) -> list[tuple[str, object]]:
    return [(one.problem, one.remedy) for one in findings(now, before)]


def test_nothing_is_wrong_with_nothing() -> None:
    """An empty service is a healthy one."""
    assert found(Snapshot(at=NOW)) == []


@pytest.mark.parametrize("reason", [one for one in Reason if one in RUNNING - {Reason.CONNECTED}])
def test_a_session_on_its_way_to_nowhere_is_connected_anew(reason: Reason) -> None:
    """Only after a while, and only when it plans no try of its own."""
    late, early = STUCK_S + 1, STUCK_S - 1
    assert found(Snapshot(NOW, (session(reason, since_s=late),))) == [("session_stuck", Reconnect(ONE))]
    assert found(Snapshot(NOW, (session(reason, since_s=early),))) == []
    assert found(Snapshot(NOW, (session(reason, since_s=late, retry_in_s=3.0),))) == []
    assert found(Snapshot(NOW, (session(reason, since_s=late, identity=None),))) == []


@pytest.mark.parametrize("reason", [one for one in Reason if one not in RUNNING | {Reason.LINKING}])
def test_what_waits_for_somebody_is_left_alone(reason: Reason) -> None:
    """A ban, an unlinked phone, a stop by hand: no reconnect helps, however long it lasts."""
    assert found(Snapshot(NOW, (session(reason, since_s=1e6, silent_s=1e6),))) == []


def test_a_connected_session_that_shows_no_life_is_connected_anew() -> None:
    """Silence longer than a probe takes means that nobody probes. Not knowing is no silence."""
    silent = session(Reason.CONNECTED, since_s=1e6, silent_s=SILENT_S + 1)
    assert found(Snapshot(NOW, (silent,))) == [("session_silent", Reconnect(ONE))]
    for seconds in (None, 0.0, SILENT_S):
        assert found(Snapshot(NOW, (session(Reason.CONNECTED, since_s=1e6, silent_s=seconds),))) == []


def test_a_worker_that_was_given_up_is_started_again() -> None:
    """The others are left alone."""
    workers = (WorkerSight("w0", 3, gave_up=False), WorkerSight("w1", 2, gave_up=True))
    assert found(Snapshot(NOW, workers=workers)) == [("worker_given_up", RestartWorker("w1"))]


def sink(
    state: SinkState, *, depth: int = 5, delivered: int = 9, name: str = "record", oldest_s: float = 60.0
) -> SinkSight:
    return SinkSight(name, state, depth, delivered, oldest_s, "a reason")


def test_a_parked_sink_is_told_with_its_reason() -> None:
    """Nothing the service could mend."""
    one, *more = findings(Snapshot(NOW, sinks=(sink(SinkState.PARKED),)), None)
    assert (one.problem, one.remedy, more) == ("sink_parked", Nothing(), [])
    assert "a reason" in one.sentence


@pytest.mark.parametrize(
    ("away_s", "name", "oldest_s", "kicked"),
    [
        (None, "record", 60.0, True),
        (3.0, "record", 60.0, False),
        (None, "webhook", 60.0, False),
        (None, "record", 1.0, False),
    ],
)
def test_a_sink_that_waits_for_a_database_which_is_back_is_kicked(
    away_s: float | None, name: str, oldest_s: float, kicked: bool
) -> None:
    """Only the one that writes to it, and only when it has waited."""
    sinks = (sink(SinkState.WAITING, name=name, oldest_s=oldest_s),)
    now = Snapshot(NOW, sinks=sinks, database=DatabaseSight(embedded=False, away_s=away_s))
    assert found(now) == ([("sink_behind", KickSink(name))] if kicked else [])


@pytest.mark.parametrize(
    ("before", "now", "kicked"),
    [
        (sink(SinkState.RUNNING), sink(SinkState.RUNNING), True),
        (sink(SinkState.RUNNING), sink(SinkState.RUNNING, delivered=10), False),
        (sink(SinkState.RUNNING, depth=0), sink(SinkState.RUNNING), False),
        (sink(SinkState.RUNNING), sink(SinkState.RUNNING, depth=0), False),
        (sink(SinkState.WAITING), sink(SinkState.RUNNING), False),
        (sink(SinkState.RUNNING, name="other"), sink(SinkState.RUNNING), False),
    ],
)
def test_a_sink_that_stands_still_is_kicked(before: SinkSight, now: SinkSight, kicked: bool) -> None:
    """It runs, rows wait, and a minute later none has gone."""
    remedies = found(Snapshot(NOW, sinks=(now,)), Snapshot(NOW - 60, sinks=(before,)))
    assert remedies == ([("sink_still", KickSink("record"))] if kicked else [])
    assert found(Snapshot(NOW, sinks=(now,))) == []


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (DatabaseSight(embedded=True, away_s=None), []),
        (DatabaseSight(embedded=True, away_s=AWAY_S), []),
        (DatabaseSight(embedded=True, away_s=AWAY_S + 1), [("database_away", RestartPostgres())]),
        (DatabaseSight(embedded=False, away_s=AWAY_S + 1), [("database_away", Nothing())]),
    ],
)
def test_only_our_own_database_is_restarted(seen: DatabaseSight, expected: list[object]) -> None:
    """Another's is waited for, and told."""
    assert found(Snapshot(NOW, database=seen)) == expected


def test_a_disk_that_fills_is_told_before_sessions_disconnect() -> None:
    """At twice the mark."""
    assert found(Snapshot(NOW, disk=DiskSight(free_bytes=199, low_bytes=100))) == [("disk_low", Nothing())]
    assert found(Snapshot(NOW, disk=DiskSight(free_bytes=200, low_bytes=100))) == []


def test_troubles_are_passed_on() -> None:
    """A part knows best what is wrong with it."""
    now = Snapshot(NOW, troubles=(("inbox_damaged", "An inbox cannot be read."),))
    assert [(one.problem, one.sentence) for one in findings(now, None)] == [
        ("inbox_damaged", "An inbox cannot be read.")
    ]


def test_each_remedy_has_a_word() -> None:
    """For logs and metrics."""
    remedies = (Reconnect(ONE), RestartWorker("w0"), RestartPostgres(), KickSink("record"), Nothing())
    assert [code(one) for one in remedies] == [
        "reconnect",
        "restart_worker",
        "restart_postgres",
        "kick_sink",
        "nothing",
    ]
