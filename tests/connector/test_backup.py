"""What a copy of the data folder holds, and what is left when it fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from connector import backup
from connector.__main__ import main
from connector.failures import ExitCode


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder in use: a database with a log beside it, another's lock, and what a copy leaves out."""
    data = tmp_path / "data 100% #1?"
    for folder in ("sessions", "spool", "postgres", "logs"):
        (data / folder).mkdir(parents=True)
        (data / folder / "some.file").write_text(folder)
    (data / "api-key").write_text("secret")
    (data / "vigia.lock").write_text("1")
    (data / "spool" / "ballast").write_bytes(b"x" * 1000)
    with closing(sqlite3.connect(data / "spool" / "outbox.db")) as outbox:
        outbox.execute("PRAGMA journal_mode = WAL")
        outbox.execute("CREATE TABLE t (x)")
        outbox.execute("INSERT INTO t VALUES (7)")
        outbox.commit()
        with closing(sqlite3.connect(data / "spool" / "inbox-w1-a.db")) as inbox:
            inbox.execute("CREATE TABLE t (x)")
        yield data


def test_it_holds_what_a_start_needs_and_nothing_else(data: Path, tmp_path: Path):
    to = tmp_path / "copy"
    manifest = backup.back_up(data, to)
    assert sorted(manifest.files) == [
        "api-key", "sessions/some.file", "spool/inbox-w1-a.db", "spool/outbox.db", "spool/some.file",
    ]  # fmt: skip
    assert sorted(path.relative_to(to).as_posix() for path in to.rglob("*") if path.is_file()) == [
        "api-key", "backup.json", "sessions/some.file", "spool/inbox-w1-a.db", "spool/outbox.db", "spool/some.file",
    ]  # fmt: skip
    with closing(sqlite3.connect(to / "spool" / "outbox.db")) as copy:
        assert copy.execute("SELECT x FROM t").fetchall() == [(7,)]


def test_the_outbox_comes_after_the_inboxes(data: Path, tmp_path: Path):
    """Else what is moved in between would be in neither copy."""
    order: list[str] = []
    backup.back_up(data, tmp_path / "copy", copied=order.append)
    assert order[-1] == "spool/outbox.db"


def test_what_leaves_while_it_is_made_is_said_and_harms_nothing(data: Path, tmp_path: Path):
    def leave(name: str) -> None:
        if name == "sessions/some.file":
            (data / "spool" / "inbox-w1-a.db").unlink()

    manifest = backup.back_up(data, tmp_path / "copy", copied=leave)
    assert manifest.gone == ["spool/inbox-w1-a.db"]
    assert (tmp_path / "copy" / "spool" / "outbox.db").exists()


def test_a_copy_that_fails_leaves_nothing(data: Path, tmp_path: Path):
    (data / "sessions" / "broken.db").write_bytes(b"SQLite format 3\0" + b"?" * 5000)
    with pytest.raises(sqlite3.DatabaseError):
        backup.back_up(data, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == [data.name]


@pytest.mark.parametrize(("where", "ends"), [("new", 0), ("data/inside", ExitCode.USAGE), (".", ExitCode.USAGE)])
def test_the_command(
    data: Path,
    tmp_path: Path,
    where: str,
    ends: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("DATA_DIR", str(data))
    monkeypatch.chdir(tmp_path)
    assert main(["backup", where.replace("data", data.name)]) == ends
    said = capsys.readouterr()
    assert ("sessions" in said.out) is (ends == 0)
    assert bool(said.err) is (ends != 0)
