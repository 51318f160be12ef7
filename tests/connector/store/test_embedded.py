"""The embedded PostgreSQL: begins from nothing, survives whatever kills it, and leaves nothing running."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil
import pytest

from connector.store import cluster as files
from connector.store.cluster import Cluster
from connector.store.driver import Target
from connector.store.embedded import Embedded, Running
from connector.store.errors import Misconfigured, Offline
from connector.store.migrate import migrate
from connector.store.postgres import Postgres
from connector.store.store import Store

UP_S = 60.0


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Embedded]:
    embedded = Embedded(folder, migrate)
    await embedded.start()
    try:
        assert await embedded.until_up(UP_S), embedded.view
        yield embedded
    finally:
        await embedded.stop()


@asynccontextmanager
async def calling(embedded: Embedded) -> AsyncGenerator[Store]:
    store = Store(Postgres(Target.of(embedded.url)))
    yield store
    await store.close()


def closed(path: Path) -> bool:
    """Tell whether only its owner can look into it."""
    return not path.stat().st_mode & 0o077


def start_bare(cluster: Cluster) -> subprocess.Popen[bytes]:
    """Start a PostgreSQL that nobody keeps."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen(cluster.command, env=cluster.environment, stdout=quiet, stderr=quiet)


@contextmanager
def foreign_program() -> Generator[subprocess.Popen[bytes]]:
    """Run a program that is no PostgreSQL."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as foreign:
        yield foreign
        foreign.communicate(b"\n")


async def until(condition, timeout: float = UP_S) -> None:
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - what is waited for is another process, which sets no event of ours
            await asyncio.sleep(0.01)


async def recorded_after_all(teller, fact, also: tuple[type[Exception], ...] = (Offline,)):
    """Say a fact until the database has it, as the spool does."""
    async with asyncio.timeout(UP_S):
        while True:
            try:
                return await teller.tell(fact)
            except also:
                await asyncio.sleep(0.02)


async def test_from_nothing_to_rows_through_a_kill_and_a_second_start(folder: Path, teller) -> None:
    """Killed hard in the middle, it comes back by itself and has everything; the pool needs no new start."""
    async with running(folder) as embedded, calling(embedded) as store:
        teller.store = store
        await teller.tell(teller.came("A"))
        first = embedded.view.pid
        assert first
        ups: list[bool] = []
        embedded.listen(lambda: ups.append(embedded.up))
        os.kill(first, signal.SIGKILL)
        await until(lambda: embedded.view.restarts >= 1)  # what the killed one had begun answers a moment longer
        await recorded_after_all(teller, teller.came("B"))
        assert embedded.view.pid != first
        embedded.restart()
        await recorded_after_all(teller, teller.came("C"))
        await until(lambda: bool(ups))
        assert all(ups), "told before it was up"
    assert embedded.view.running is Running.STOPPED
    assert Cluster.at(folder).holder() is None
    async with running(folder) as embedded, calling(embedded) as store:
        assert (await store.active_atendimentos(limit=10, offset=0)).total == 1
        assert closed(folder)
        assert closed(Cluster.at(folder).sockets)


def alive(process: psutil.Process) -> bool:
    """Whether it does anything still: one that ended waits for whoever inherited it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_one_that_hangs_is_ended_the_hard_way_and_has_everything(folder: Path, teller) -> None:
    """It answers no signal but the last, nor do those that it started."""
    async with running(folder) as embedded, calling(embedded) as store:
        teller.store = store
        await teller.tell(teller.came("A"))
        whole = psutil.Process(embedded.view.pid)
        hung = [whole, *whole.children()]
        for one in hung:
            one.suspend()
        embedded.restart()
        await until(lambda: embedded.view.restarts >= 1)
        await until(lambda: not any(map(alive, hung)))
        await recorded_after_all(teller, teller.came("B"))
        assert (await store.active_atendimentos(limit=10, offset=0)).total == 1


async def test_one_that_is_stopped_while_it_is_being_restarted_leaves_nothing_running(folder: Path) -> None:
    """Called off in the midst of ending it."""
    async with running(folder) as embedded:
        whole = psutil.Process(embedded.view.pid)
        whole.suspend()  # it takes as long as it may
        embedded.restart()
        await until(lambda: embedded._again.is_set())
        await asyncio.sleep(0)
    assert not alive(whole)
    assert Cluster.at(folder).holder() is None


async def test_one_that_does_not_start_says_where_to_look(folder: Path) -> None:
    """To say that it starts would be no help to whoever has to mend it; once it runs there is nothing to say."""
    async with running(folder) as embedded:
        assert embedded.away is None
        settings = folder / "postgresql.conf"
        kept = settings.read_text()
        settings.write_text(f"{kept}\nnonsense\n")
        assert embedded.view.pid is not None
        os.kill(embedded.view.pid, signal.SIGKILL)
        await until(lambda: embedded.view.restarts >= 2)
        assert (
            embedded.away
            == "The embedded PostgreSQL does not run: the end of postgres.log in the data folder says why."
        )
        settings.write_text(kept)
        assert await embedded.until_up(UP_S)
        assert embedded.away is None


async def test_callers_may_come_before_it_is_up(folder: Path, teller) -> None:
    embedded = Embedded(folder, migrate)
    async with calling(embedded) as store:
        with pytest.raises(Offline):
            await store.record([])
        await embedded.start()
        teller.store = store
        try:
            # Between its start and its migration there are no tables yet.
            assert await recorded_after_all(teller, teller.came("A"), (Offline, Misconfigured))
        finally:
            await embedded.stop()


async def test_one_that_outlived_its_hub_is_ended_and_a_stale_mark_hurts_nobody(folder: Path) -> None:
    async with running(folder):
        pass
    orphan = start_bare(Cluster.at(folder))
    await until(lambda: Cluster.at(folder).holder() is not None)
    async with running(folder) as embedded:
        assert await asyncio.to_thread(orphan.wait, UP_S) == 0
        assert embedded.view.restarts == 0
    with foreign_program() as foreign:
        (folder / "postmaster.pid").write_text(f"{foreign.pid}\n{folder}\n")
        async with running(folder):
            assert foreign.poll() is None, "a number in a file is no licence to kill"


HUB = """
import asyncio, sys
from pathlib import Path
from connector.store.embedded import Embedded

async def nothing(url): pass

async def main():
    embedded = Embedded(Path(sys.argv[1]), nothing)
    await embedded.start()
    await embedded.until_up(60)
    print(embedded.view.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_it_ends_with_its_hub(folder: Path) -> None:
    """A killed hub cannot end anything: the kernel tells PostgreSQL."""
    hub = subprocess.Popen(
        [sys.executable, "-c", HUB, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with hub:
        assert hub.stdout
        pid = int(hub.stdout.readline())
        assert Cluster.at(folder).holder() == pid
        hub.kill()
    asyncio.run(until(lambda: Cluster.at(folder).holder() is None))


def test_another_major_version_is_a_sentence(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("15\n")
    with pytest.raises(Misconfigured, match=r"made by PostgreSQL 15.*DATABASE_URL"):
        asyncio.run(Embedded(folder, migrate).start())


@pytest.fixture
def half(folder: Path) -> Path:
    """Leave what a start leaves that was killed while it made the cluster."""
    half = folder.with_name("postgres.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    return half


async def test_a_start_that_was_killed_half_way_is_begun_anew(folder: Path, half: Path) -> None:
    async with running(folder) as embedded:
        assert embedded.view.restarts == 0
    assert {path.name for path in half.parent.iterdir()} == {"postgres", "postgres.log"}


def test_a_socket_lies_where_its_name_fits_and_belongs_to_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(files.tempfile, "gettempdir", lambda: str(long))
    one, other = Cluster.at(tmp_path / "a"), Cluster.at(tmp_path / "b")
    assert len(str(one.sockets)) < 90
    assert one.sockets != other.sockets


def test_a_machine_without_it_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(Misconfigured, match="set DATABASE_URL"):
        Cluster.at(tmp_path)
