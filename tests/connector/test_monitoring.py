"""What docs/monitoring shows and alerts on is there: every metric it names, with the labels it names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connector.metrics import Figures, Metrics, SessionFigures, SinkFigures, WorkerFigures
from sessions.state import Reason

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
        sinks=(SinkFigures("record", 1, 1.0, "running", 1, 1),),
        workers=(WorkerFigures("w1", 1, 1, 1),),
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


def test_reasons_that_alert_are_reasons() -> None:
    text = (FOLDER / "alerts.yml").read_text("utf-8")
    (named,) = re.findall(r'reason=~"([a-z_|]+)"', text)
    assert set(named.split("|")) <= {reason.code for reason in Reason}


def test_the_board_has_no_panel_twice() -> None:
    board = json.loads((FOLDER / "grafana.json").read_text("utf-8"))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in board["panels"]})
