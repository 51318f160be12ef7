"""The one thread: who waits together commits together, and one's mistake is nobody else's."""

from __future__ import annotations

import asyncio
import sqlite3
import stat

import pytest

from connector.spool import OutRow, Spool, SpoolClosed, SpoolDamaged, SpoolFull
from connector.spool.clock import VersionClock
from connector.spool.database import Database
from connector.spool.file import connect


def note(text: str):
    def work(db: sqlite3.Connection) -> str:
        db.execute("INSERT INTO cursor (file, seq) VALUES (?, 1)", (text,))
        return text

    return work


@pytest.fixture
async def database(house):
    database = Database(house.folder / "outbox.db", VersionClock(house.wall))
    yield database
    await database.close()


def commits(database: Database) -> list[str]:
    seen: list[str] = []
    database._full.set_trace_callback(lambda sql: seen.append(sql) if sql == "COMMIT" else None)
    return seen


def noted(house) -> set[str]:
    db = connect(house.folder / "outbox.db", "normal")
    found = {name for (name,) in db.execute("SELECT file FROM cursor").fetchall()}
    db.close()
    return found


async def test_writers_that_wait_together_share_a_commit(house, database):
    seen = commits(database)
    answers = await asyncio.gather(*(database.write(note(f"f{n}")) for n in range(50)))
    assert answers == [f"f{n}" for n in range(50)]
    assert noted(house) == set(answers)
    assert len(seen) <= 3  # the first may have gone alone


async def test_a_mistake_of_one_undoes_nothing_of_the_others(house, database):
    def clumsy(db: sqlite3.Connection) -> None:
        note("half")(db)
        raise LookupError("mine alone")

    works = [note("one"), clumsy, note("one"), note("two")]
    one, mistake, twice, two = await asyncio.gather(*map(database.write, works), return_exceptions=True)
    assert (one, two) == ("one", "two")
    assert isinstance(mistake, LookupError)
    assert isinstance(twice, sqlite3.IntegrityError)
    assert noted(house) == {"one", "two"}


async def test_what_nobody_waits_for_any_more_is_counted_all_the_same(database):
    counted: list[str] = []
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work(db: sqlite3.Connection) -> str:
        loop.call_soon_threadsafe(ready.set)
        return note("left alone")(db)

    waiting = asyncio.create_task(database.write(work, counted.append))
    await ready.wait()
    waiting.cancel()
    await database.read(lambda _: None)
    assert counted == ["left alone"]


async def test_on_a_full_disk_it_is_relieved_once_and_does_the_work_again(house):
    reliefs: list[bool] = [False, True]
    database = Database(house.folder / "outbox.db", VersionClock(), relieve=lambda: relieve())
    pages = database._full.execute("PRAGMA page_count").fetchone()[0]

    def relieve() -> bool:
        if reliefs.pop():
            database._full.execute("PRAGMA max_page_count = 1000000")
            return True
        return False

    def grow(db: sqlite3.Connection) -> None:
        db.execute(
            "INSERT INTO dead (sink, chain, op, body, reason, at_us) VALUES ('', '', '', ?, '', 0)", (bytes(99_999),)
        )

    database._full.execute(f"PRAGMA max_page_count = {pages}")
    await database.write(grow)
    database._full.execute("PRAGMA max_page_count = 1")
    with pytest.raises(SpoolFull):
        await database.write(grow)
    assert reliefs == []
    database._full.execute("PRAGMA max_page_count = 1000000")
    await database.write(grow)
    assert await database.read(lambda db: db.execute("SELECT count(*) FROM dead").fetchone()) == (2,)
    await database.close()


async def test_after_closing_nothing_is_taken_and_what_came_before_is_there(house, database):
    asked = [asyncio.ensure_future(database.write(note(f"f{n}"))) for n in range(5)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*asked)
    assert len(noted(house)) == 5
    with pytest.raises(SpoolClosed):
        await database.write(note("late"))
    await database.close()


async def test_a_file_of_another_program_or_a_newer_version_is_refused(house):
    path = house.folder / "outbox.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(SpoolDamaged, match="no spool"):
        Database(path, VersionClock())
    path.unlink()
    await (await Spool.opened(house.folder)).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 2")
    db.close()
    with pytest.raises(SpoolDamaged, match="newer"):
        Database(path, VersionClock())
    db = sqlite3.connect(path)
    db.execute("PRAGMA application_id = 7")
    db.close()
    with pytest.raises(SpoolDamaged, match="another program"):
        Database(path, VersionClock())


async def test_nobody_else_may_read_the_file(house, spool):
    await spool.outbox.put([OutRow("a", "c", "1", b"private")])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in house.folder.glob("outbox.db*")}
    assert {"outbox.db", "outbox.db-wal"} <= modes.keys()
    assert set(modes.values()) == {0o600}
