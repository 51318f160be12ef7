"""What an inbox row comes to."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from loguru import logger

from connector.facts import ConnectionRef
from connector.inbound import Inbound
from connector.spool import Ended, OutRow
from sessions.inbox import StoredRow
from sessions.model import (
    Address,
    Delivery,
    Life,
    Message,
    Outcome,
    Receipt,
    SendStatus,
    SessionId,
    Sign,
    Typing,
    Words,
    encode,
    kind_of,
)

REF = ConnectionRef("loja", "s1", "Loja", "dono", "empresa")
ANA = Address("99@lid", "5511987654321@s.whatsapp.net")
GROUP = Address("1203@g.us")
TEXT = Message("WA1", ANA, ANA, from_me=False, group=False, at_ms=1_800_000_000_000, push_name="Ana", text="oi")


def row(words: Words, session: str = "s1", seq: int = 7) -> StoredRow:
    return StoredRow(
        session=session, kind=kind_of(words), code=17, at_us=1_800_000_000_000_000, body=encode(words), seq=seq
    )


def told(
    words: Words, sinks: tuple[str, ...] = ("record", "webhook"), session: str = "s1"
) -> dict[str, dict[str, Any]]:
    inbound = Inbound({SessionId("s1"): REF}, frozenset(sinks))
    rows = inbound("inbox-w1-a.db", row(words, session), itertools.count(1).__next__)
    return {one.sink: msgspec.json.decode(one.body) for one in rows if isinstance(one, OutRow)}


def test_a_text_is_a_row_of_the_record_and_an_event():
    said = told(TEXT)
    fact = said["record"]
    assert (fact["op"], fact["kind"], fact["version"]) == ("inbox-w1-a.db:7", "message", 1)
    assert fact["message"]["text"] == "oi"
    assert fact["message"]["remetente"] == "CLIENTE"
    assert fact["message"]["chat_alt"] == "5511987654321@s.whatsapp.net"
    assert said["webhook"]["type"] == "messageReceived"
    assert said["webhook"]["data"]["phone"] == "5511987654321"
    assert said["webhook"]["data"]["messageId"] == fact["message"]["message_id"]


@pytest.mark.parametrize(
    ("words", "event", "says"),
    [
        (TEXT, "messageReceived", {}),
        (replace(TEXT, from_me=True), "messageSent", {}),
        (Outcome("m1", SendStatus.FAILED, ANA.jid, error="no_keys"), "messageStatus", {"reason": "no_keys"}),
        (Receipt(("WA1",), ANA, ANA, Delivery.READ, 1), "messageStatus", {}),
    ],
)
@pytest.mark.parametrize("sinks", [("record",), ("record", "webhook")])
def test_each_is_one_line_for_who_looks_closely(
    words: Words, event: str, says: dict[str, str], sinks: tuple[str, ...]
) -> None:
    """Whether anybody is told of it or not; without what was written, and without a number."""
    lines: list[Any] = []
    handler = logger.add(lambda line: lines.append(line.record), level="DEBUG")
    told(words, sinks)
    logger.remove(handler)
    (line,) = lines
    assert (line["level"].name, line["extra"]) == ("DEBUG", {"event": event, "connection": "loja", **says})
    assert "oi" not in line["message"].split()
    assert "5511" not in line["message"]


def test_who_listens_is_told_what_the_webhook_is() -> None:
    """Its severity included."""
    live = Listening()
    inbound = Inbound({SessionId("s1"): REF}, frozenset({"webhook"}), live=live)
    rows = inbound("inbox-w1-a.db", row(TEXT), itertools.count(1).__next__)
    sent = [msgspec.json.decode(one.body) for one in rows if isinstance(one, OutRow)]
    assert live.heard == sent
    assert sent[0]["severity"] == "info"


class Listening:
    """Somebody who listens."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.listening = True

    def pass_on(self, fact: dict[str, Any]) -> None:
        self.heard.append(fact)


def test_what_the_own_phone_wrote_is_of_the_attendant():
    said = told(replace(TEXT, from_me=True))
    assert said["record"]["message"]["remetente"] == "ATENDENTE"
    assert said["webhook"]["type"] == "messageSent"


def test_a_group_is_told_but_makes_no_atendimento():
    assert set(told(replace(TEXT, chat=GROUP, group=True))) == {"webhook"}


def test_a_placeholder_is_recorded_without_text():
    assert told(replace(TEXT, text=None))["record"]["message"]["text"] is None


@pytest.mark.parametrize(("kind", "sinks"), [(Delivery.READ, {"record", "webhook"}), (Delivery.OTHER, set())])
def test_a_receipt_counts_when_it_changes_somebodys_screen(kind: Delivery, sinks: set[str]):
    assert set(told(Receipt(("WA1",), ANA, ANA, kind, 1))) == sinks


@pytest.mark.parametrize(
    ("status", "event"),
    [(SendStatus.SENT, "messageSent"), (SendStatus.FAILED, "messageStatus"), (SendStatus.UNKNOWN, "messageStatus")],
)
def test_an_ending_is_recorded_told_and_settles_the_send(status: SendStatus, event: str):
    outcome = Outcome("ref-1", status, "5511@s.whatsapp.net", "WA2", 1)
    inbound = Inbound({SessionId("s1"): REF}, frozenset({"record", "webhook"}))
    rows = inbound("f", row(outcome), itertools.count(1).__next__)
    assert [one for one in rows if isinstance(one, Ended)] == [
        Ended("ref-1", status, 1_800_000_000_000_000, "WA2", None)
    ]
    assert told(outcome)["webhook"]["type"] == event
    assert told(outcome)["record"]["status"] == status.value


def test_what_says_nothing_makes_no_row():
    assert told(Typing(ANA, ANA, composing=True)) == {}
    assert told(Life(Sign.CONNECTED)) == {}
    assert told(TEXT, session="nobody's") == {}


def test_only_sinks_that_are_there_are_told():
    assert set(told(TEXT, sinks=("record",))) == {"record"}


def test_the_same_row_says_the_same_twice():
    assert told(TEXT)["webhook"] == told(TEXT)["webhook"]
