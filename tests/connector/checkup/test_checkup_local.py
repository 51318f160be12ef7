"""The steps that look at this machine: each finds what was planted, says what to do, and leaves nothing behind."""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from vigia_command import free_port

from connector import checkup, datadir
from connector.checkup import Finding, Ground, Status, local
from connector.datadir import DataDirLock, prepare
from connector.settings import Settings
from sessions.engine import Launch

Found = dict[str, Finding]


@pytest.fixture
def data(own_folder: Path) -> Path:
    """Answer where the data folder is, or will be."""
    return own_folder / "data"


@pytest.fixture(autouse=True)
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Set PORT to one that is free."""
    number = free_port()
    monkeypatch.setenv("PORT", str(number))
    return number


@pytest.fixture(autouse=True)
def however_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk of a busy test machine is nobody's finding."""
    monkeypatch.setattr(local, "SYNC_S", 1e9)


async def looked(*names: str, ground: Ground | None = None) -> Found:
    """Take the steps of these *names* and those that they need."""
    wanted = set(names)
    for one in reversed(checkup.STEPS):
        wanted |= set(one.needs) if one.name in wanted else set()
    async with ground or Ground() as ground:
        steps = [one for one in checkup.STEPS if one.name in wanted]
        return {one.name: one.finding async for one in checkup.run(steps, ground)}


def left(data: Path) -> set[str]:
    """Answer everything that lies in the folder."""
    return {path.relative_to(data).as_posix() for path in data.rglob("*")}


def only_failure(found: Found, name: str) -> Finding:
    wrong = [one for one, finding in found.items() if finding.status is Status.FAIL]
    assert wrong == [name], found
    assert found[name].remedy
    return found[name]


async def test_a_new_folder_is_all_right(data: Path) -> None:
    """It is made as the start makes it; else nothing is there afterwards that a start would stumble over."""
    found = await looked("disk", "service", "port", "keys", "spool", "descriptors", "language")
    assert {one.status for one in found.values()} == {Status.OK}, found
    assert found["keys"].detail == "the start makes api-key"
    assert left(data) == {"vigia.lock", "spool"}


async def test_every_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is looked at that needs them."""
    monkeypatch.setenv("PORT", "none")
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    found = await looked("settings", "port", "spool", "descriptors")
    assert found["settings"].status is Status.FAIL
    assert [line.split()[0] for line in found["settings"].detail.splitlines()] == ["PORT", "LOG_LEVEL"]
    assert [one for one, finding in found.items() if finding.status is Status.OK] == ["descriptors"]


async def test_a_setting_that_is_probably_a_slip(own_folder: Path) -> None:
    (own_folder / ".env.supabase").write_text("HOSTT=0.0.0.0\n")
    found = await looked("settings")
    assert found["settings"].status is Status.WARN
    assert "did you mean HOST?" in found["settings"].detail


async def test_a_folder_that_cannot_be(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_folder / "file").touch()
    monkeypatch.setenv("DATA_DIR", "file/data")
    found = only_failure(await looked("folder", "spool"), "folder")
    assert found.remedy == "Set DATA_DIR to the path of a folder."


async def test_somebody_elses_folder(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What root makes there would be in its owner's way."""
    prepare(data)
    monkeypatch.setattr(os, "geteuid", lambda: data.stat().st_uid + 1)
    found = only_failure(await looked("folder", "service"), "folder")
    assert found.remedy.startswith("Run it as the user of the service")
    assert left(data) == set()


async def test_a_slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "SYNC_S", 0.0)
    found = (await looked("folder"))["folder"]
    assert (found.status, found.remedy) == (Status.WARN, "Put DATA_DIR on a faster disk.")


@pytest.mark.parametrize(("free", "status"), [(79, Status.FAIL), (81, Status.WARN), (1025, Status.OK)])
async def test_a_disk_that_is_low(monkeypatch: pytest.MonkeyPatch, free: int, status: Status) -> None:
    """Under the mark at which sessions are opened, and under what a day offline may need."""
    monkeypatch.setattr(datadir, "free_bytes", lambda _path: free * 2**20)
    found = (await looked("disk"))["disk"]
    assert found.status is status
    assert bool(found.remedy) is (status is not Status.OK)


async def test_a_taken_port(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as other:
        other.settimeout(0)
        found = only_failure(await looked("port"), "port")
    assert found.detail == f"Port {port} on 127.0.0.1 is taken by another program."


@pytest.fixture
async def answering(port: int) -> AsyncGenerator[None]:
    """Answer on the port what a Vigia answers."""

    async def live(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "lab": False})

    app = web.Application()
    app.router.add_get("/health/live", live)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield
    await runner.cleanup()


@pytest.mark.usefixtures("answering")
async def test_a_service_that_runs(data: Path) -> None:
    """On this folder: it is said so, and nothing is wrong. On another one: the port is taken."""
    with DataDirLock(prepare(data)):
        found = await looked("service", "port")
        assert found["service"].detail == f"a Vigia (process {os.getpid()}) runs on this folder"
        assert found["port"].status is Status.OK
    found = await looked("service", "port")
    assert found["port"].status is Status.WARN
    assert found["port"].detail.startswith("Another Vigia, with another DATA_DIR, answers")


async def test_a_service_that_does_not_listen(data: Path) -> None:
    with DataDirLock(prepare(data)):
        found = await looked("port")
    assert found["port"].status is Status.WARN
    assert "nobody listens" in found["port"].detail


async def test_while_it_looks_no_service_starts(data: Path) -> None:
    """Two of them would share a database's folder."""
    async with Ground() as ground:
        async for _ in checkup.run(
            [one for one in checkup.STEPS if one.name in ("settings", "folder", "service")], ground
        ):
            pass
        assert datadir.holder(ground.data) == os.getpid()
    assert datadir.holder(ground.data) == 0


async def test_what_a_killed_checkup_left_is_removed(data: Path) -> None:
    prepare(data)
    (data / ".check-1-engine").mkdir()
    await looked("service")
    assert left(data) == {"vigia.lock"}


async def test_a_damaged_key(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the two."""
    monkeypatch.setenv("WEBHOOK_URL", "https://crm.example.com")
    folder = prepare(data)
    for file in (folder.api_key, folder.webhook_secret):
        file.write_bytes(b"\x00")
        found = only_failure(await looked("keys"), "keys")
        assert str(file) in found.detail
        file.unlink()


def a_file(spool: Path) -> None:
    spool.touch()


def garbage(spool: Path) -> None:
    spool.mkdir()
    (spool / "outbox.db").write_bytes(b"no database at all" * 100)


def a_folder(spool: Path) -> None:
    (spool / "outbox.db").mkdir(parents=True)


@pytest.mark.parametrize("planted", [a_file, garbage, a_folder])
async def test_a_queue_that_cannot_be_written(data: Path, planted: Callable[[Path], None]) -> None:
    prepare(data)
    planted(data / "spool")
    assert str(data / "spool") in only_failure(await looked("spool"), "spool").detail


async def test_the_engine_loads_in_a_worker(data: Path) -> None:
    """The real one, and nothing of it is left."""
    found = await looked("engine")
    assert found["engine"].status is Status.OK, found
    assert left(data) == set()


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (
            "raise ImportError('neonize 0.5.2 has no engine library for this machine: run ./scripts/setup again')",
            "no engine library",
        ),
        ("import os; os._exit(7)", "worker"),
    ],
)
async def test_an_engine_that_does_not_load(data: Path, program: str, why: str) -> None:
    def launch(_settings: Settings, spool: Path) -> Launch:
        return Launch(spool=spool, command=(sys.executable, "-c", program))

    found = only_failure(await looked("engine", ground=Ground(launch=launch)), "engine")
    assert why in found.detail
    assert "Traceback" not in found.detail
    assert left(data) == set()


async def test_few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (64, 256))
    found = (await looked("descriptors"))["descriptors"]
    assert found.status is Status.WARN
    assert "LimitNOFILE" in found.remedy


async def test_a_language_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no matter; names of files that are not UTF-8 are one."""

    def refuse(*_arguments: Any) -> str:
        raise local.locale.Error("unsupported locale setting")

    monkeypatch.setattr(local.locale, "setlocale", refuse)
    assert (await looked("language"))["language"].status is Status.OK
    monkeypatch.setattr(local.sys, "getfilesystemencoding", lambda: "iso8859-1")
    assert (await looked("language"))["language"].status is Status.WARN
