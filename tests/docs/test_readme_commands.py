"""Both READMEs as a newcomer follows them: each shell block word for word, in a copy of the project that was never used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab_run import ask, free_port, until
from newcomer import ROOT, Terminal, fresh_copy, typed

from lab.client import Place, lab_process

READMES = ("README.md", "README.pt-BR.md")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
CUSTOMER = "5511987654321"


def blocks(readme: str, first: str) -> list[str]:
    """Answer the shell blocks of the section whose first one is *first*, without it."""
    for section in re.split(r"^## ", (ROOT / readme).read_text("utf-8"), flags=re.MULTILINE):
        found = BLOCK.findall(section)
        if found and found[0].strip() == first:
            return found[1:]
    raise AssertionError(f"{readme} has no section that begins with {first}")


def environment(**more: str) -> dict[str, str]:
    """Answer what a newcomer's shell has, and *more*."""
    assert shutil.which("curl"), "the READMEs' commands need curl: apt install curl"
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | more


def paste(terminal: Terminal, block: str, fact: str) -> None:
    """Paste a block. Its last command only looks: it is given again, as a person does, until it shows *fact*."""
    *deeds, look = block.strip().splitlines()
    for command in deeds:
        terminal.paste(command)
    until(lambda: fact in terminal.paste(look).replace(" ", ""))


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    said = ""
    while words not in said:
        line = process.stdout.readline()
        assert line, f"it ended: {said}"
        said += line
    return said


def wanted(answer: str) -> Callable[[str], Any]:
    body: dict[str, Any] = json.loads(answer)
    return body.__getitem__


def test_both_have_the_same_commands() -> None:
    """A translation that lags behind would not run."""
    english, portuguese = (BLOCK.findall((ROOT / readme).read_text("utf-8")) for readme in READMES)
    assert english == portuguese


@pytest.mark.parametrize("readme", READMES)
def test_without_a_phone(readme: str, tmp_path: Path) -> None:
    """From the copy to the first message that the other phone has, and an end on Ctrl-C."""
    link, write, answer = blocks(readme, first="./scripts/run --lab")
    copy, names = fresh_copy(tmp_path), environment(PORT=str(free_port()))
    with typed("./scripts/run --lab", copy, names) as running, Terminal(copy, environment()) as terminal:
        read_until(running, "Ctrl-C")
        paste(terminal, link, '"status":"connected"')
        paste(terminal, write, '"AGUARDANDO"')
        paste(terminal, answer, '"olá"')
        running.terminate()
        assert running.wait(60) == 0


@pytest.mark.parametrize("readme", READMES)
def test_with_a_phone(readme: str, tmp_path: Path) -> None:
    """The same for real accounts. Here the phone is the lab's, and the port one that is free."""
    connect, send = blocks(readme, first="./scripts/run")
    copy, port = fresh_copy(tmp_path), free_port()
    with lab_process() as place:
        for number, name in (("5511900000001", "Ana"), (CUSTOMER, "Bruno")):
            ask(f"{place.control}/phones", {"number": number, "name": name})
        names = environment(PORT=str(port), **lab_settings(place))
        with typed("./scripts/run", copy, names) as running, Terminal(copy, environment()) as terminal:
            read_until(running, "api-key")
            paste(terminal, connect.replace(":3001/", f":{port}/"), "▀")
            code = wanted(terminal.paste('curl -s -H "$KEY" $API/connections/loja/qr'))("code")
            ask(f"{place.control}/phones/5511900000001/scan", {"qr": code})
            until(lambda: wanted(terminal.paste('curl -s -H "$KEY" $API/connections/loja'))("status") == "connected")
            paste(terminal, send, '"sent"')
            got = until(lambda: ask(f"{place.control}/phones/{CUSTOMER}/messages?wait=5")["items"])
            assert [item["text"] for item in got] == ["olá"]
            running.terminate()
            assert running.wait(60) == 0


def lab_settings(place: Place) -> dict[str, str]:
    return {
        "WHATSAPP_LAB_PROXY": place.proxy,
        "WHATSAPP_LAB_CA": str(place.ca),
        "WHATSAPP_LAB_ROOT_KEY": place.root_key,
    }
