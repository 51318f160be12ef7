"""`./scripts/run --lab`, as a newcomer runs it: a local WhatsApp, the service, the page that plays the whole job, one Ctrl-C for all."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import psutil
import pytest
from lab_run import Refused, ask, end, everywhere, fetch, free_port, gone, running, until


def test_all_come_up_and_all_go(own_folder: Path) -> None:
    """After Ctrl-C nothing is left; a second start finds its phones and its connection again."""
    port = free_port()
    for _ in range(2):
        with running(port) as run:
            assert ask(f"http://127.0.0.1:{port}/health/live") == {"status": "ok", "lab": True}
            phones = ask(run.address("Local WhatsApp") + "/phones")
            assert [phone["name"] for phone in phones["items"]] == ["Ana", "Bruno"]
            assert ask(f"{run.page}/state")["connection"]["connectionId"] == "loja"
            places = everywhere(run)
            end(run)
        assert [place for place in places if not gone(place)] == []
    assert sorted(path.name for path in (own_folder / "data" / "lab").iterdir()) == ["names", "service", "whatsapp"]


def test_the_page_plays_the_whole_job(own_folder: Path) -> None:
    """A code, its scan, a text in, its atendimento, a text out, read on the phone: what each button asks for."""
    with running(free_port()) as run:
        page = run.page
        assert "<title" in fetch(page)
        code = ask(f"{page}/qr")
        assert code["image"].startswith("data:image/png")
        assert "code" not in code
        ask(f"{page}/scan", {})
        until(lambda: ask(f"{page}/state")["connection"]["status"] == "connected")
        ask(f"{page}/write", {"text": "Oi! Vocês têm bolo de milho?"})
        opened = until(lambda: ask(f"{page}/state")["atendimentos"])
        assert (opened[0]["nome_cliente"], opened[0]["status"]) == ("Bruno", "AGUARDANDO")
        ask(f"{page}/answer", {"text": "Temos sim!"})
        until(lambda: any(not item["own"] for item in ask(f"{page}/state")["screen"]))
        ask(f"{page}/read", {})
        until(lambda: ask(f"{page}/state")["messages"][-1]["status"] == "read")
        state = ask(f"{page}/state")
        assert [row["conteudo"] for row in state["messages"]] == ["Oi! Vocês têm bolo de milho?", "Temos sim!"]
        assert [item["own"] for item in state["screen"]] == [True, False]
        assert state["screen"][0]["delivered"]
        ask(f"{page}/finish", {})
        assert until(lambda: not ask(f"{page}/state")["atendimentos"])
        ask(f"{page}/unlink", {})
        until(lambda: ask(f"{page}/state")["connection"]["reason"] == "logged_out")
        end(run)


def test_only_the_page_itself_may_use_the_key_that_its_server_holds(own_folder: Path) -> None:
    """Not another site's script, not a name of another that leads here, and the key is nowhere in what it answers."""
    with running(free_port()) as run:
        page = run.page
        for headers in ({"Origin": "http://evil.example"}, {"Origin": ""}, {"Host": "evil.example"}):
            with pytest.raises(Refused, match="403"):
                ask(f"{page}/write", {"text": "oi"}, **headers)
        with pytest.raises(Refused, match="403"):
            ask(f"{page}/state", Host="evil.example:80")
        key = (own_folder / "data" / "lab" / "service" / "api-key").read_text().strip()
        assert [path for path in ("", "/state", "/links", "/qr") if key in fetch(page + path)] == []
        assert key not in run.said
        assert key not in (own_folder / "data" / "lab" / "names").read_text()
        end(run)


def test_a_killed_script_leaves_nothing_behind(own_folder: Path) -> None:
    """`kill -9` reaches no handler of ours: the kernel tells the children, and they end in order."""
    with running(free_port()) as run:
        family = psutil.Process(run.process.pid).children(recursive=True)
        assert len(family) >= 2
        places = everywhere(run)
        run.process.kill()
        assert psutil.wait_procs(family, timeout=60)[1] == []
        assert [place for place in places if not gone(place)] == []
    log = (own_folder / "data" / "lab" / "service" / "vigia.lock").read_text()
    assert log.strip(), "the service held its folder"


@pytest.mark.parametrize("terminal", [True, False])
def test_the_page_opens_for_a_person_at_a_desktop(own_folder: Path, terminal: bool) -> None:
    """The desktop's own opener is given it; where nobody sits at a terminal it is not."""
    opened = own_folder / "opened"
    opener = own_folder / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\necho "$1" > {opened}.new\nmv {opened}.new {opened}\n')
    opener.chmod(0o755)
    path = f"{opener.parent}:{os.environ['PATH']}"
    person, desk = pty.openpty()
    stdin = desk if terminal else subprocess.DEVNULL
    with running(free_port(), stdin=stdin, PATH=path, DISPLAY=":99") as run:
        if terminal:
            until(opened.exists)
            assert opened.read_text().strip().rstrip("/") == run.page
        end(run)
    assert opened.exists() is terminal
    os.close(person)
    os.close(desk)


def test_what_is_for_real_accounts_is_left_alone(own_folder: Path) -> None:
    """A demonstration writes to no database and calls no webhook that a file names; what the environment says holds."""
    theirs = "SUPABASE_DB_URL=postgresql://nobody@127.0.0.1:1/theirs\nWEBHOOK_URL=http://127.0.0.1:1/theirs\nAPI_KEY=theirs-theirs-theirs\n"
    (own_folder / ".env.supabase").write_text(theirs)
    with running(free_port(), API_KEY="ours-ours-ours-ours-ours") as run:
        assert ".env.supabase is left alone" in run.said
        service = run.address("The API to try out").removesuffix("/docs")
        headers = {"X-API-KEY": "ours-ours-ours-ours-ours"}
        stats = ask(f"{service}/api/whatsapp-bootstrap/stats", **headers)
        assert stats["database"]["kind"] == "embedded"
        assert [sink["name"] for sink in stats["sinks"]] == ["record"]
        assert ask(f"{run.page}/state")["connection"]["connectionId"] == "loja"
        end(run)
