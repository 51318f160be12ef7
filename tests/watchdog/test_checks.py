"""What counts as wrong: tables of snapshots and the findings they lead to."""

from __future__ import annotations

import pytest

from sessions.model import Identity, SessionId
from sessions.ports import SessionView
from sessions.state import RUNNING, Reason, State
from watchdog.checks import (
    AWAY_S,
    PAIRING_STUCK_S,
    SILENT_S,
    SLOW_MS,
    STUCK_S,
    findings,
    unseen_phones,
)
from watchdog.remedies import (
    EndPairing,
    KickSink,
    Nothing,
    Reconnect,
    RemoveConnection,
    RemoveSession,
    RestartPostgres,
    RestartWorker,
    code,
)
from watchdog.sights import DatabaseSight, DiskSight, SinkSight, SinkState, Snapshot, SpoolSight, Stray, WorkerSight

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
    trying_s: float | None = None,
    unseen_days: float | None = None,
    hangs: bool = False,
    told_days: int = 0,
) -> SessionView:
    return SessionView(
        ONE,
        State(reason, "", NOW - since_s),
        identity,
        silent_s,
        retry_in_s,
        lab=False,
        trying_s=trying_s,
        phone_seen_at=None if unseen_days is None else NOW - unseen_days * 86_400,
        hangs=hangs,
        phone_told_days=told_days,
    )


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


@pytest.mark.parametrize(
    "reason", [one for one in Reason if one not in RUNNING | {Reason.LINKING, Reason.OUTDATED, Reason.ISOLATED}]
)
def test_what_waits_for_somebody_is_left_alone(reason: Reason) -> None:
    """A ban, an unlinked phone, a stop by hand: no reconnect helps, however long it lasts."""
    assert found(Snapshot(NOW, (session(reason, since_s=1e6, silent_s=1e6),))) == []


def test_two_healers_never_work_on_one_patient() -> None:
    """However long it lasts: a session that is being tried, or will be, is its own to heal."""
    for retry_in_s, trying_s in ((0.0, None), (1e4, None), (None, 1.0), (None, 400.0)):
        own = session(Reason.UNREACHABLE, since_s=1e6, retry_in_s=retry_in_s, trying_s=trying_s)
        assert found(Snapshot(NOW, (own,))) == []


@pytest.mark.parametrize(("retry_in_s", "trying_s"), [(0.0, None), (None, 500.0)])
@pytest.mark.parametrize("reason", [Reason.STARTING, Reason.UNREACHABLE, Reason.REFUSED, Reason.DISK_FULL])
def test_a_session_whose_try_hangs_is_connected_anew(
    reason: Reason, retry_in_s: float | None, trying_s: float | None
) -> None:
    """Its plan says that it heals itself, and nobody carries the plan out."""
    hung = session(reason, retry_in_s=retry_in_s, trying_s=trying_s, hangs=True)
    assert found(Snapshot(NOW, (hung,))) == [("session_stuck", Reconnect(ONE))]


@pytest.mark.parametrize("reason", [Reason.WAITING_SCAN, Reason.LINKING])
def test_a_pairing_that_leads_nowhere_is_broken_off(reason: Reason) -> None:
    """Not one that goes on as long as WhatsApp lets it."""
    late = session(reason, since_s=PAIRING_STUCK_S + 1, identity=None)
    assert found(Snapshot(NOW, (late,))) == [("pairing_stuck", EndPairing(ONE))]
    assert found(Snapshot(NOW, (session(reason, since_s=PAIRING_STUCK_S - 1, identity=None),))) == []


def test_an_isolated_session_is_told_at_once_and_left_to_its_own_plan() -> None:
    """However long it lasts: it tries again by itself."""
    for since_s in (0.0, 1e6):
        assert found(Snapshot(NOW, (session(Reason.ISOLATED, since_s=since_s),))) == [("session_isolated", Nothing())]


def test_an_engine_that_whatsapp_accepts_no_more_is_told_once_and_nothing_is_tried() -> None:
    """One finding for the whole service: every session will be next."""
    both = (session(Reason.OUTDATED), session(Reason.OUTDATED))
    assert found(Snapshot(NOW, both)) == [("engine_outdated", Nothing())]


def test_a_phone_of_a_session_that_somebody_stopped_is_nobodys_matter() -> None:
    """Nobody hears of it, and WhatsApp unlinks it or does not; one whose days are over is told so."""
    assert list(unseen_phones(Snapshot(NOW, (session(Reason.STOPPED, unseen_days=90),)), None)) == []
    (late,) = unseen_phones(Snapshot(NOW, (session(Reason.CONNECTED, unseen_days=15),)), None)
    assert "it may be unlinked." in late.sentence


@pytest.mark.parametrize(
    ("days", "turns"), [(None, []), (9.9, []), (10.0, [10]), (11.9, [10]), (12.0, [12]), (13.5, [13]), (20.0, [20])]
)
def test_a_phone_not_seen_for_long_is_told_once_and_then_daily(days: float | None, turns: list[int]) -> None:
    """WhatsApp unlinks at fourteen days: the owner is told while there is time."""
    told = list(unseen_phones(Snapshot(NOW, (session(Reason.CONNECTED, unseen_days=days),)), None))
    assert [one.turn for one in told] == turns
    assert all("The phone of session" in one.sentence for one in told)


@pytest.mark.parametrize(
    ("days", "told_days", "told"),
    [(10.5, 0, False), (11.9, 10, True), (12.0, 10, False), (12.9, 12, True), (13.0, 12, False)],
)
def test_what_was_told_of_an_absent_phone_before_a_restart_is_not_told_again(days: float, told_days: int, told: bool):
    """A service that is restarted ten times a day tells each owner once a day."""
    (one,) = unseen_phones(Snapshot(NOW, (session(Reason.CONNECTED, unseen_days=days, told_days=told_days),)), None)
    assert one.told is told


def test_a_worker_that_stays_heavy_was_not_replaced() -> None:
    """Once may be the moment before it is."""
    heavy = Snapshot(NOW, workers=(WorkerSight("w1", 3, gave_up=False, rss_bytes=1 << 30, descriptors=(80, 100)),))
    light = Snapshot(NOW, workers=(WorkerSight("w1", 3, gave_up=False, rss_bytes=1 << 20, descriptors=(5, 100)),))
    assert found(heavy, heavy) == [("worker_heavy", Nothing())]
    assert found(heavy, light) == found(light, heavy) == found(heavy) == []


def test_a_database_that_answers_slowly_is_told() -> None:
    """Not while it is away, which is told as that."""
    slow = DatabaseSight(embedded=False, away_s=None, latency_ms=SLOW_MS + 1)
    assert found(Snapshot(NOW, database=slow)) == [("database_slow", Nothing())]
    assert found(Snapshot(NOW, database=DatabaseSight(embedded=False, away_s=None, latency_ms=SLOW_MS))) == []


def test_what_waits_too_long_or_grows_too_big_is_told() -> None:
    """The queue keeps everything: somebody should know how much."""
    old = SinkSight("webhook", SinkState.WAITING, 9, 0, oldest_s=7200.0)
    assert found(Snapshot(NOW, sinks=(old,), spool=SpoolSight(2 << 30))) == [
        ("sink_old", Nothing()),
        ("spool_big", Nothing()),
    ]
    assert found(Snapshot(NOW, spool=SpoolSight(1 << 20))) == []


@pytest.mark.parametrize(("moved", "wrong"), [(0.0, 0), (4.0, 0), (3600.0, 1), (-3600.0, 1)])
def test_a_clock_that_somebody_set_is_told(moved: float, wrong: int) -> None:
    """By the clock that nobody sets."""
    before = Snapshot(NOW, steady_at=100.0)
    assert len(found(Snapshot(NOW + 60 + moved, steady_at=160.0), before)) == wrong


@pytest.mark.parametrize("kind", ["never_paired", "without_session", "without_connection"])
def test_what_was_left_over_is_told_and_not_removed(kind: str) -> None:
    """Whose it is only people know."""
    assert found(Snapshot(NOW, strays=(Stray(kind, "loja", 40 * 86_400.0),))) == [(f"stray_{kind}", Nothing())]


def test_what_nobody_ever_paired_is_removed_where_somebody_wished_so() -> None:
    """Its sentence says for how long nobody did."""
    strays = tuple(Stray(kind, "x", 40 * 86_400.0, removable=True) for kind in ("never_paired", "without_connection"))
    wrong = findings(Snapshot(NOW, strays=strays), None)
    assert [one.remedy for one in wrong] == [RemoveConnection("x"), RemoveSession(SessionId("x"))]
    assert all("40 days" in one.sentence and "remove" not in one.sentence for one in wrong)


def test_a_connected_session_that_shows_no_life_is_connected_anew() -> None:
    """Silence longer than a probe takes means that nobody probes."""
    silent = session(Reason.CONNECTED, since_s=1e6, silent_s=SILENT_S + 1)
    assert found(Snapshot(NOW, (silent,))) == [("session_silent", Reconnect(ONE))]
    for seconds in (None, 0.0, SILENT_S):
        assert found(Snapshot(NOW, (session(Reason.CONNECTED, since_s=1e6, silent_s=seconds),))) == []


@pytest.mark.parametrize(
    ("before", "now", "nowhere"),
    [
        (session(Reason.CONNECTED, since_s=SILENT_S + 1), session(Reason.CONNECTED, since_s=SILENT_S + 1), True),
        (session(Reason.CONNECTED, since_s=SILENT_S - 1), session(Reason.CONNECTED, since_s=SILENT_S - 1), False),
        (session(Reason.CONNECTED, since_s=1e4), session(Reason.CONNECTED, since_s=SILENT_S + 1), False),
        (session(Reason.CONNECTED, since_s=1e4, silent_s=3.0), session(Reason.CONNECTED, since_s=1e4), False),
        (session(Reason.CONNECTED, since_s=1e4), session(Reason.CONNECTED, since_s=1e4, silent_s=3.0), False),
        (session(Reason.STOPPED, since_s=1e4), session(Reason.STOPPED, since_s=1e4), False),
    ],
)
def test_a_connected_session_that_no_worker_tells_of_is_connected_anew(
    before: SessionView, now: SessionView, nowhere: bool
) -> None:
    """Not one whose worker has only begun to tell: neither look of a minute apart knew anything."""
    remedies = found(Snapshot(NOW, (now,)), Snapshot(NOW - 60, (before,)))
    assert remedies == ([("session_silent", Reconnect(ONE))] if nowhere else [])
    assert found(Snapshot(NOW, (now,)), Snapshot(NOW - 60)) == []


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
