"""Dead letters over HTTP, on a real spool: listed without what people wrote, put back, thrown away; and a sink told to try."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from loguru import logger

from connector.api.dead import DeadLetters
from connector.api.health import Health
from connector.api.server import make_app
from connector.facts import ConnectionRef
from connector.letters import Letters
from connector.spool import INBOUND, DeadLetter, OutRow, SinkState, SinkView, Spool
from connector.spool.outbox import Move
from connector.spool.rows import Grave
from sessions.model import SessionId

KEY = "planted-key"
BASE = "/api/whatsapp-bootstrap"
LETTERS = BASE + "/dead-letters"
SESSIONS = {"loja": "s-1", "outra": "s-2"}


class Sink:
    """A queue that only notes that it was told to try."""

    def __init__(self, name: str) -> None:
        self.view = SinkView(name, SinkState.PARKED, "wrong key", 3, 7.5, 10, 2)
        self.kicked = 0

    def kick(self) -> None:
        self.kicked += 1


class Mover:
    """Processes events anew, unless told that they cannot be."""

    def __init__(self, spool: Spool) -> None:
        self.fails = False
        self._spool = spool

    async def replay(self, letter: DeadLetter) -> bool:
        if self.fails:
            raise LookupError
        return await self._spool.dead.replace(letter, [OutRow("record", letter.chain, letter.op, b"{}")])


class Scene:
    """A spool with letters in it, and who answers for them."""

    def __init__(self, spool: Spool) -> None:
        refs = {SessionId(session): ConnectionRef(name, session, name, "dono") for name, session in SESSIONS.items()}
        self.spool = spool
        self.sink = Sink("record")
        self.mover = Mover(spool)
        self.noted: list[tuple[str, str, str]] = []
        self.letters = Letters(
            spool.dead, self.mover, [self.sink, Sink("webhook")], refs, lambda *what: self.noted.append(what)
        )

    async def bury(self, sink: str, chain: str, *numbers: int, reason: str = "No.") -> None:
        await self.spool.outbox.put(
            [OutRow(sink, chain, f"op:{n}", json.dumps({"text": f"segredo {n}"}).encode()) for n in numbers]
        )
        for row in await self.spool.outbox.read(sink, 100):
            await self.spool.outbox.bury(row, reason)

    async def bury_event(self) -> None:
        grave = Grave(OutRow(INBOUND, "s-1", "inbox-w1-b.db:1", b"\x93\xff"), "It cannot be processed: LookupError.")
        await self.spool.outbox.move(Move(rows=[], cursors={}, dead=[grave]))

    async def waiting(self, sink: str) -> list[str]:
        return [row.op for row in await self.spool.outbox.read(sink, 100)]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    spool = await Spool.opened(tmp_path / "spool")
    yield Scene(spool)
    await spool.close()


@pytest.fixture
async def client(scene: Scene) -> AsyncIterator[Any]:
    app = make_app(key=KEY, health_of=Health(lab=True, sessions=lambda: 0), resources=[DeadLetters(scene.letters)])
    async with TestClient(TestServer(app), headers={"X-API-KEY": KEY}) as made:
        yield made


async def got(answer: Any, status: int = 200) -> Any:
    said = await answer.json()
    assert answer.status == status, said
    return said


async def test_they_are_listed_without_what_people_wrote(client: Any, scene: Scene) -> None:
    await scene.bury("record", "s-1", 1, 2, reason="The database refused it: check_violation (23514).")
    await scene.bury("webhook", "s-2", 3)
    await scene.bury("webhook", "gone", 4)
    said = await got(await client.get(LETTERS))
    assert said["total"] == 4
    assert "segredo" not in json.dumps(said)
    assert [(one["sink"], one["connectionId"], one["op"], one["body"]) for one in said["items"]] == [
        ("record", "loja", "op:1", None), ("record", "loja", "op:2", None),
        ("webhook", "outra", "op:3", None), ("webhook", None, "op:4", None),
    ]  # fmt: skip
    assert said["items"][0]["size"] == len(b'{"text": "segredo 1"}')


@pytest.mark.parametrize(
    ("query", "ops"),
    [
        ("sink=webhook", ["op:3"]),
        ("connectionId=loja", ["op:1", "op:2"]),
        ("connectionId=nobody", []),
        ("reason=No.", ["op:3"]),
        ("limit=1", ["op:1"]),
        ("after=1&limit=1", ["op:2"]),
        ("sink=record&connectionId=outra", []),
    ],
)
async def test_some_of_them(client: Any, scene: Scene, query: str, ops: list[str]) -> None:
    await scene.bury("record", "s-1", 1, 2, reason="Why.")
    await scene.bury("webhook", "s-2", 3)
    assert [one["op"] for one in (await got(await client.get(f"{LETTERS}?{query}")))["items"]] == ops


async def test_what_they_say_is_shown_on_request(client: Any, scene: Scene) -> None:
    await scene.bury("record", "s-1", 1)
    await scene.bury_event()
    said = await got(await client.get(f"{LETTERS}?bodies=true"))
    assert [one["body"] for one in said["items"]] == [{"text": "segredo 1"}, base64.b64encode(b"\x93\xff").decode()]
    assert (await got(await client.get(f"{LETTERS}/1")))["body"] == {"text": "segredo 1"}


async def test_one_goes_back_into_its_place(client: Any, scene: Scene) -> None:
    await scene.bury("record", "s-1", 1)
    await scene.spool.outbox.put([OutRow("record", "s-1", "op:2", b"{}")])
    assert (await got(await client.post(f"{LETTERS}/1/replay")))["op"] == "op:1"
    assert await scene.waiting("record") == ["op:1", "op:2"]
    assert (await got(await client.post(f"{LETTERS}/1/replay"), 404))["code"] == "unknown_dead_letter"


async def test_all_of_a_sink_or_a_reason_go_back(client: Any, scene: Scene) -> None:
    await scene.bury("record", "s-1", 1, 3, reason="odd")
    await scene.bury("record", "s-2", 2, reason="even")
    await scene.bury("webhook", "s-2", 9)
    said = await got(await client.post(f"{LETTERS}/replay", json={"sink": "record", "reason": "odd"}))
    assert said == {"replayed": 2, "left": 0}
    assert await scene.waiting("record") == ["op:1", "op:3"]
    assert await got(await client.post(f"{LETTERS}/replay", json={"sink": "record"})) == {"replayed": 1, "left": 0}
    assert await scene.waiting("webhook") == []
    assert (await client.post(f"{LETTERS}/replay", json={})).status == 422


async def test_one_whose_sink_is_gone_stays(client: Any, scene: Scene) -> None:
    """In a queue that nobody empties it would only be harder to find."""
    await scene.bury("crm", "s-1", 1)
    assert (await got(await client.post(f"{LETTERS}/1/replay"), 409))["code"] == "sink_not_configured"
    assert (await got(await client.post(f"{LETTERS}/replay", json={"sink": "crm"}), 409))["code"] == (
        "sink_not_configured"
    )
    assert (await got(await client.get(LETTERS)))["total"] == 1


async def test_an_event_is_processed_anew(client: Any, scene: Scene) -> None:
    await scene.bury_event()
    scene.mover.fails = True
    assert (await got(await client.post(f"{LETTERS}/1/replay"), 409))["code"] == "still_unreadable"
    assert await got(await client.post(f"{LETTERS}/replay", json={"sink": INBOUND})) == {"replayed": 0, "left": 1}
    scene.mover.fails = False
    await got(await client.post(f"{LETTERS}/1/replay"))
    assert await scene.waiting("record") == ["inbox-w1-b.db:1"]
    assert (await got(await client.get(LETTERS)))["total"] == 0


async def test_what_is_thrown_away_leaves_a_line_in_the_log(client: Any, scene: Scene) -> None:
    await scene.bury("record", "s-1", 1)
    lines: list[str] = []
    listening = logger.add(lines.append, format="{message}")
    try:
        assert (await got(await client.delete(f"{LETTERS}/1")))["op"] == "op:1"
    finally:
        logger.remove(listening)
    assert any("DISCARDED" in line and "op:1" in line for line in lines)
    assert not any("segredo" in line for line in lines)
    assert (await client.delete(f"{LETTERS}/1")).status == 404
    assert (await client.get(f"{LETTERS}/1")).status == 404


@pytest.mark.parametrize("letter", ["x", "-1", "1.5", "99999999999999999999"])
async def test_no_number_is_no_letter(client: Any, letter: str) -> None:
    assert (await client.get(f"{LETTERS}/{letter}")).status == 422


async def test_a_sink_is_told_to_try(client: Any, scene: Scene) -> None:
    said = await got(await client.post(f"{BASE}/sinks/record/kick"), 202)
    assert said == {
        "name": "record", "state": "parked", "reason": "wrong key", "waiting": 3, "oldestS": 7.5, "dead": 2,
    }  # fmt: skip
    assert scene.sink.kicked == 1
    assert (await got(await client.post(f"{BASE}/sinks/crm/kick"), 404))["code"] == "unknown_sink"


async def test_what_an_operator_does_is_noted(client: Any, scene: Scene) -> None:
    """Each deed once, and nothing that was only asked for in vain."""
    await scene.bury("webhook", "s-2", 1, 2, 3)
    first, second, _ = (await got(await client.get(LETTERS)))["items"]
    await client.get(f"{LETTERS}/{first['id']}")
    await client.post(f"{LETTERS}/{first['id']}/replay")
    await client.delete(f"{LETTERS}/{second['id']}")
    await client.post(f"{LETTERS}/replay", json={"sink": "webhook"})
    await client.post(f"{LETTERS}/replay", json={"sink": "webhook"})
    await client.delete(f"{LETTERS}/{second['id']}")
    await client.post(f"{BASE}/sinks/webhook/kick")
    await client.post(f"{BASE}/sinks/crm/kick")
    assert scene.noted == [
        ("replay", "webhook", f"dead letter {first['id']}: No."),
        ("discard", "webhook", f"dead letter {second['id']}: No."),
        ("replay", "webhook", "1 dead letters"),
        ("kick_sink", "webhook", "wrong key"),
    ]
