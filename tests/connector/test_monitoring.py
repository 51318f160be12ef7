"""What docs/monitoring shows and alerts on is there: every metric it names, with the labels it names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connector.facts import ConnectionRef
from connector.metrics import Figures, Metrics, SessionFigures, SinkFigures, WorkerFigures
from connector.portrait import WITHOUT_SESSION
from connector.running import announcer
from sessions.state import MOVES, UNPAIRED, Reason, State

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
NAME = re.compile(r"\bvigia_[a-z_]+")
MATCHER = re.compile(r"\b(vigia_[a-z_]+)\{([^}]*)\}")
LEGEND = re.compile(r"\{\{ *\$?(?:labels\.)?(\w+) *\}\}")


@pytest.fixture(scope="module")
def samples() -> dict[str, set[str]]:
    """Answer every sample of a service that did a bit of everything: its name and its labels."""
    metrics = Metrics()
    metrics.event_received("loja", "message", 0.1)
    metrics.send_ended("loja", "sent", 0.1)
    metrics.observe_request("GET", "/", 200, 0.1)
    metrics.connection_lost("reconnecting")
    metrics.connection_back(1.0)
    metrics.pairings.labels("paired").inc()
    metrics.findings.labels("disk_low").inc()
    metrics.actions.labels("reconnect", "done").inc()
    now = Figures(
        sessions=(SessionFigures("loja", "connected", "connected"),),
        sinks=(SinkFigures("record", 1, 1.0, "running", 1),),
        dead={"record": 1},
        workers=(WorkerFigures("w1", 1, 1, 1),),
        database_up=True,
        database_ms=1.0,
    )
    metrics.watch(lambda: now)
    found: dict[str, set[str]] = {"up": {"job"}}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions() -> list[tuple[str, str, str]]:
    """Answer every expression with its file and the texts that show its labels."""
    board = json.loads((FOLDER / "grafana.json").read_text("utf-8"))
    found = [
        ("grafana.json", target["expr"], target["legendFormat"])
        for panel in board["panels"]
        for target in panel["targets"]
    ]
    rules = (FOLDER / "alerts.yml").read_text("utf-8").split("- alert: ")[1:]
    assert len(rules) > 5
    for rule in rules:
        match = re.search(r"^\s*expr: (.*)$", rule, re.MULTILINE)
        assert match
        found.append(("alerts.yml", match[1], rule.partition("annotations:")[2]))
    return found


@pytest.mark.parametrize(("file", "expression", "texts"), expressions(), ids=lambda value: str(value)[:40])
def test_what_is_shown_is_there(samples: dict[str, set[str]], file: str, expression: str, texts: str) -> None:
    names = set(NAME.findall(expression))
    assert names or file == "alerts.yml"
    assert names <= set(samples)
    for name, matchers in MATCHER.findall(expression):
        assert set(re.findall(r"(\w+)(?:=~|!=|=)", matchers)) <= samples[name]
    shown = set(LEGEND.findall(texts))
    assert not names or shown <= set().union(*(samples[name] for name in names))


def test_the_guide_names_what_there_is(samples: dict[str, set[str]]) -> None:
    named = set(NAME.findall((FOLDER / "README.md").read_text("utf-8")))
    known = set(samples) | {re.sub(r"_(bucket|sum|count)$", "", name) for name in samples}
    assert named <= known


def rule(name: str) -> str:
    """Answer the expression of an alert."""
    (found,) = re.findall(rf"- alert: {name}\n(?: +#.*\n)* +expr: (.*)\n", (FOLDER / "alerts.yml").read_text("utf-8"))
    return found


def test_whoever_is_needed_is_told_by_alert_and_by_event_alike() -> None:
    """The alert has the reasons of which `sessionNeedsYou` tells, and that of a connection that has no session to tell anything."""
    told: list[str] = []
    events = SimpleNamespace(
        publish=lambda data, name, _ref: told.append(data.reason) if name == "sessionNeedsYou" else None
    )
    announce = announcer(cast(Any, events))
    for reason in Reason:
        announce(ConnectionRef("loja", "s", "Loja", "eu", None), State(Reason.STARTING), State(reason))
    (named,) = re.findall(r'reason=~"([a-z_|]+)"', rule("VigiaConnectionNeedsSomebody"))
    assert set(named.split("|")) == {*told, WITHOUT_SESSION}


def test_away_is_only_who_should_be_connected() -> None:
    """Whoever was connected once, has credentials and was not stopped; all others are left out, above and below the line."""
    expected = MOVES[Reason.CONNECTED] - UNPAIRED - {Reason.STOPPED}
    others = {reason.code for reason in Reason if reason not in expected} | {WITHOUT_SESSION}
    above, below = (
        set(named.split("|")) for named in re.findall(r'reason!~"([a-z_|]+)"', rule("VigiaConnectionsAway"))
    )
    assert (above, below) == ({*others, "connected"}, others)


def test_the_board_has_no_panel_twice() -> None:
    board = json.loads((FOLDER / "grafana.json").read_text("utf-8"))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in board["panels"]})


def test_the_board_shows_whatever_the_guide_tells_to_look_at() -> None:
    guide = (FOLDER / "README.md").read_text("utf-8").partition("## What to look at")[2]
    shown = {
        name for file, expression, _ in expressions() if file == "grafana.json" for name in NAME.findall(expression)
    }
    assert set(NAME.findall(guide)) <= {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}


def test_a_table_shows_one_moment() -> None:
    """Of a time series, Grafana's table shows a choice of series, and one of them at a time."""
    board = json.loads((FOLDER / "grafana.json").read_text("utf-8"))
    tables = [target for panel in board["panels"] if panel["type"] == "table" for target in panel["targets"]]
    assert tables
    assert {(one.get("format"), one.get("instant")) for one in tables} == {("table", True)}
