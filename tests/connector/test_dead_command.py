"""`vigia dead`, as somebody types it, against an API that answers over a real socket."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from connector import __main__ as program
from connector.api.dead import DeadLetters
from connector.api.health import Health
from connector.api.server import make_app
from connector.failures import ExitCode
from connector.letters import Letters
from connector.spool import OutRow, SinkState, SinkView, Spool

KEY = "planted-key-of-some-length"


class Queue:
    view = SinkView("record", SinkState.RUNNING, "", 0, None, 0, 0)

    def kick(self) -> None: ...


class Terminal:
    """Types commands in a thread, as the service has this loop."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    async def __call__(self, *words: str) -> tuple[int, str, str]:
        """Answer the exit status, what was told, what was told of failures."""
        status = await asyncio.to_thread(program.main, ["dead", *words])
        told = self._capsys.readouterr()
        return status, told.out, told.err


@pytest.fixture
def vigia(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


@pytest.fixture
async def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Spool]:
    """A service with three letters, and settings that lead to it."""
    spool = await Spool.opened(tmp_path / "spool")
    rows = [OutRow("record", "s", f"op:{n}", b'{"text": "segredo"}') for n in range(3)]
    await spool.outbox.put(rows)
    for row in await spool.outbox.read("record", 3):
        await spool.outbox.bury(row, "The database refused it.")
    letters: Any = Letters(spool.dead, None, [Queue()], {})  # type: ignore[arg-type]  # nothing is processed anew here
    app = make_app(key=KEY, health_of=Health(lab=True, sessions=lambda: 0), resources=[DeadLetters(letters)])
    async with TestServer(app) as server:
        monkeypatch.setenv("PORT", str(server.port))
        monkeypatch.setenv("API_KEY", KEY)
        yield spool
    await spool.close()


@pytest.mark.usefixtures("spool")
async def test_they_are_listed_and_shown(vigia: Terminal) -> None:
    status, said, _ = await vigia("list", "--limit", "2")
    assert status == 0
    assert "The database refused it." in said
    assert "segredo" not in said
    assert said.splitlines()[-1] == "3 in all; the next: vigia dead list --after 2"
    assert (await vigia("list", "--after", "3"))[1] == "There are no more.\n"
    assert '"total": 3' in (await vigia("list", "--json"))[1]
    assert "segredo" in (await vigia("show", "1"))[1]


async def test_they_go_back_one_by_one_and_all_at_once(vigia: Terminal, spool: Spool) -> None:
    assert (await vigia("replay", "2"))[0] == 0
    assert [row.op for row in await spool.outbox.read("record", 9)] == ["op:1"]
    assert (await vigia("replay", "--sink", "record"))[1] == "2 letters are back in their places.\n"
    assert [row.op for row in await spool.outbox.read("record", 9)] == ["op:0", "op:1", "op:2"]
    assert (await vigia("list"))[1] == "There are no dead letters.\n"
    for words in (["replay"], ["replay", "1", "--sink", "record"]):
        assert (await vigia(*words))[0] == ExitCode.USAGE
    status, _, refused = await vigia("replay", "1")
    assert status == ExitCode.USAGE
    assert "no dead letter with this id" in refused


@pytest.mark.parametrize(("typed", "left"), [("yes\n", 2), ("no\n", 3), ("", 3)])
async def test_one_is_thrown_away_only_after_a_yes(
    vigia: Terminal, spool: Spool, monkeypatch: pytest.MonkeyPatch, typed: str, left: int
) -> None:
    keyboard = io.StringIO(typed)
    monkeypatch.setattr(keyboard, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", keyboard)
    status, said, _ = await vigia("discard", "1")
    assert await spool.dead.count() == left
    assert (status == 0) is (left == 2)
    assert "The database refused it." in said.splitlines()[0]


async def test_without_a_terminal_the_yes_is_an_argument(
    vigia: Terminal, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert "--yes" in (await vigia("discard", "1"))[2]
    assert await spool.dead.count() == 3
    assert (await vigia("discard", "1", "2", "--yes"))[0] == 0
    assert await spool.dead.count() == 1


@pytest.mark.usefixtures("spool")
async def test_a_wrong_key_is_told(vigia: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "another-key-of-some-length")
    status, _, refused = await vigia("list")
    assert status == ExitCode.USAGE
    assert "X-API-KEY" in refused


async def test_no_service_is_a_sentence(
    vigia: Terminal, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int, own_folder: Path
) -> None:
    """Neither a key nor a folder is made for a service that does not run."""
    monkeypatch.setenv("PORT", str(unused_tcp_port))
    status, _, refused = await vigia("list")
    assert (status, "no key" in refused) == (ExitCode.DATA_DIR, True)
    assert not (own_folder / "data").exists()
    monkeypatch.setenv("API_KEY", KEY)
    status, _, refused = await vigia("list")
    assert (status, "vigia serve" in refused) == (ExitCode.ADDRESS, True)
