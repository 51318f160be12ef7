"""docs/supabase.md as a newcomer follows it: each shell block word for word, against an endpoint of Supabase's own making."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from as_supabase import look_again, new_project
from lab_run import ask, free_port, until
from newcomer import ROOT, Terminal, fresh_copy, typed

from benchmarks.lite import SECRET_KEY, Lite
from connector.store import causes, driver, errors
from connector.store.cluster import Cluster
from connector.store.driver import Target, connect
from lab.client import Place, lab_process

PAGE = ROOT / "docs" / "supabase.md"
BLOCK = re.compile(r"^```(?:sh|ini)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOP, CUSTOMER = "5511900000001", "5511987654321"
WAYS = ("SQL editor", "connection string", "Supabase's own command")


@dataclass(frozen=True, slots=True)
class Project:
    """A new project: its database, and the endpoint before it."""

    database: str
    endpoint: Lite

    async def sql_editor(self, text: str) -> None:
        connection = await connect(Target.of(self.database))
        try:
            await connection.execute(text)
        finally:
            await connection.close()


@pytest.fixture
def project(tmp_path: Path) -> Generator[Project]:
    folder = tmp_path / "lite"
    folder.mkdir()
    with running_postgres(tmp_path / "theirs") as database, Lite(database, folder) as endpoint:
        yield Project(database, endpoint)


@contextmanager
def running_postgres(folder: Path) -> Generator[str]:
    """Run a PostgreSQL as a new Supabase project has it."""
    folder.mkdir()
    cluster = Cluster.at(folder / "postgres")
    asyncio.run(cluster.prepare())
    with (
        cluster.log.open("wb") as log,
        subprocess.Popen(
            [*cluster.command, "-c", "fsync=off"], env=cluster.environment, stdout=log, stderr=log
        ) as process,
    ):
        try:
            asyncio.run(_ready(cluster.url))
            yield cluster.url
        finally:
            process.terminate()


async def _ready(url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                return await new_project(url)
            except Exception:  # noqa: BLE001 - it starts
                await asyncio.sleep(0.05)


def blocks() -> list[str]:
    return [found.strip() for found in BLOCK.findall(PAGE.read_text("utf-8"))]


def environment(place: Place) -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    lab = {"PROXY": place.proxy, "CA": str(place.ca), "ROOT_KEY": place.root_key}
    told = {f"WHATSAPP_LAB_{name}": value for name, value in lab.items()}
    return {name: os.environ[name] for name in kept if name in os.environ} | told | {"PORT": str(free_port())}


@pytest.mark.parametrize("way", WAYS)
def test_from_a_new_project_to_the_first_row(way: str, tmp_path: Path, project: Project) -> None:
    copying, settings, printing, migrating, pushing, checking, starting, connecting, reading = blocks()
    copy = fresh_copy(tmp_path)
    with lab_process() as place:
        names = environment(place)
        with Terminal(copy, names) as terminal:
            terminal.paste(copying)
            fill_in(copy / ".env.supabase", settings, project)
            assert "knows no tables of this Vigia" in terminal.paste(f"{checking} || true")
            make_tables(way, terminal, project, printing, migrating, pushing)
            look_again(project.endpoint)
            said = terminal.paste(checking)
            assert all(word in said for word in ("Supabase over REST", "written, read, deleted")), said
        if way == WAYS[0]:
            first_row(copy, names, place, starting, connecting, reading)


def fill_in(file: Path, settings: str, project: Project) -> None:
    """Write the page's lines into the file, as its reader does, with the project's own values."""
    mine = {"SUPABASE_URL": project.endpoint.url, "SUPABASE_SECRET_KEY": SECRET_KEY}
    assert [line.split("=")[0] for line in settings.splitlines()] == list(mine)
    with file.open("a", encoding="utf-8") as lines:
        lines.writelines(f"{name}={value}\n" for name, value in mine.items())


def make_tables(way: str, terminal: Terminal, project: Project, printing: str, migrating: str, pushing: str) -> None:
    if way == "SQL editor":
        *setting_up, look = printing.splitlines()
        for command in setting_up:
            terminal.paste(command)
        asyncio.run(project.sql_editor(terminal.paste(look)))
    elif way == "connection string":
        terminal.paste(re.sub(r"postgresql://\S+", f"'{project.database}'", migrating))
    else:
        assert pushing.splitlines()[-1] == "supabase db push"
        project.endpoint.push(ROOT / "supabase" / "migrations")
    again = f"SUPABASE_DB_URL='{project.database}' .venv/bin/vigia migrate"
    assert "nothing to do" in terminal.paste(again), "each way sees what another did"


def first_row(copy: Path, names: dict[str, str], place: Place, starting: str, connecting: str, reading: str) -> None:
    for number, name in ((SHOP, "Ana"), (CUSTOMER, "Bruno")):
        ask(f"{place.control}/phones", {"number": number, "name": name})
    with typed(starting, copy, names) as service, Terminal(copy, names) as terminal:
        until(lambda: (copy / "data" / "api-key").exists())
        *words, connect_it, show = connecting.replace(":3001/", f":{names['PORT']}/").splitlines()
        for command in words:
            terminal.paste(command)
        until(lambda: "loja" in terminal.paste(f"{connect_it} || true"))
        until(lambda: "▀" in terminal.paste(show))
        code = re.search(r'"code": *"([^"]*)"', terminal.paste('curl -s -H "$KEY" $API/connections/loja/qr'))
        assert code
        ask(f"{place.control}/phones/{SHOP}/scan", {"qr": code[1]})
        until(lambda: '"connected"' in terminal.paste('curl -s -H "$KEY" $API/connections/loja'))
        ask(f"{place.control}/phones/{CUSTOMER}/messages", {"to": SHOP, "text": "oi"})
        until(lambda: "AGUARDANDO" in terminal.paste(reading))
        service.terminate()
        assert service.wait(60) == 0
    assert not (copy / "data" / "postgres").exists()


def test_what_the_page_says_of_faults_is_what_vigia_says() -> None:
    """Its table quotes the sentences' beginnings."""
    page = " ".join(PAGE.read_text("utf-8").split())
    sentences = [value for name, value in vars(causes).items() if name.isupper() and isinstance(value, str)]
    sentences += [*errors._FULL.values(), *(told for _, told in driver._POOLER)]
    quoted = re.findall(r"\| (?:parked|waits): ([^|]+?) \|", page)
    assert len(quoted) > 8
    unsaid = [one for one in quoted if one not in " ".join(sentences) and one not in OTHERS]
    assert unsaid == []


OTHERS = {
    "says which",
    "the database's answers are cut short",
    "the certificate under SUPABASE_URL is not trusted",
    "service_role lacks a right",
    "the project is restricted",
}
