"""What changes is told once, and only what changes."""

from __future__ import annotations

import pytest

from connector.events.registry import DeadLetters
from connector.observer import Look, Observer
from connector.spool import INBOUND, SinkState, SinkView
from sessions.engine import WorkerView

RUNNING, WAITING, PARKED = SinkState.RUNNING, SinkState.WAITING, SinkState.PARKED


def sink(state: SinkState, name: str = "record", *, depth: int = 4) -> SinkView:
    return SinkView(name, state, "why" if state is not RUNNING else "", depth, None, 0, 0)


def worker(starts: int, *, gave_up: bool = False) -> WorkerView:
    return WorkerView("w1", 3, starts, gave_up, None)


def names(before: Look, *looks: Look) -> list[list[str]]:
    observer = Observer(before)
    return [[name for name, _data in observer.changes(look)] for look in looks]


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (RUNNING, RUNNING, []),
        (RUNNING, WAITING, []),  # it may only just start
        (WAITING, WAITING, []),
        (RUNNING, PARKED, ["queueParked"]),
        (PARKED, RUNNING, ["queueResumed"]),
        (PARKED, PARKED, []),
    ],
)
def test_the_record(before: SinkState, now: SinkState, told: list[str]) -> None:
    assert names(Look(0, (sink(before),)), Look(1, (sink(now),))) == [told]


def test_a_queue_that_runs_again_says_how_long_it_was_parked() -> None:
    observer = Observer(Look(0, (sink(RUNNING, "webhook"),)))
    told = [
        data
        for at, state in ((5, PARKED), (9, PARKED), (25, RUNNING))
        for _, data in observer.changes(Look(at, (sink(state, "webhook"),)))
    ]
    assert [(one.reason, one.after_s) for one in told] == [("why", None), ("", 20.0)]  # pyright: ignore[reportAttributeAccessIssue]


def test_an_outage_has_one_beginning_and_one_end_however_often_it_is_tried_meanwhile() -> None:
    states = ((1, WAITING), (4, WAITING), (6, WAITING), (7, WAITING), (8, PARKED), (9, WAITING), (31, RUNNING))
    observer = Observer(Look(0, (sink(RUNNING),)))
    told = [(at, *event) for at, state in states for event in observer.changes(Look(at, (sink(state),)))]
    assert [(at, name) for at, name, _ in told] == [
        (6, "supabaseOffline"),
        (8, "queueParked"),
        (9, "queueResumed"),
        (31, "supabaseOnline"),
    ]
    assert told[-1][2].after_s == 30.0  # pyright: ignore[reportAttributeAccessIssue]


def test_a_database_that_only_starts_is_no_outage() -> None:
    assert names(Look(0), *[Look(at, (sink(state),)) for at, state in ((1, WAITING), (4, WAITING), (5, RUNNING))]) == [
        [],
        [],
        [],
    ]


def test_a_webhook_that_waits_is_no_news_about_the_database() -> None:
    assert names(Look(0, (sink(RUNNING, "webhook"),)), Look(1, (sink(WAITING, "webhook"),))) == [[]]


def test_dead_letters_are_told_when_there_are_more() -> None:
    looks = [Look(at, dead={"record": dead, INBOUND: 4}) for at, dead in enumerate((2, 2, 3, 1))]
    assert names(looks[0], *looks[1:]) == [[], ["deadLetter"], []]


def test_events_that_could_not_be_processed_are_told_although_no_sink_has_them() -> None:
    observer = Observer(Look(0, (sink(RUNNING),), {"record": 0, INBOUND: 0}))
    told = observer.changes(Look(1, (sink(RUNNING),), {"record": 0, INBOUND: 2}))
    assert told == [("deadLetter", DeadLetters(sink="inbound", kept=2))]


def test_those_from_before_the_start_are_no_news() -> None:
    assert names(Look(0), Look(1, dead={"record": 5})) == [[]]


def test_workers_that_come_back_and_that_are_given_up() -> None:
    looks = [Look(0, workers=(worker(1),)), Look(1, workers=(worker(2),)), Look(2, workers=(worker(2, gave_up=True),))]
    assert names(Look(0), *looks, looks[-1]) == [[], ["workerRestarted"], ["workerGivenUp"], []]


def test_health_is_told_when_it_changes() -> None:
    ill, worse = Look(1, wrong=("sink_record",)), Look(2, wrong=("sink_record", "spool"), blocked=True)
    observer = Observer(Look(0))
    told = [event for look in (ill, ill, worse, Look(4)) for event in observer.changes(look)]
    assert [getattr(data, "status", None) for _name, data in told] == ["degraded", "unready", "ok"]
