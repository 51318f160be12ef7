"""The data folder: private, writable, held by one."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from loguru import logger

from connector import datadir, keyfile
from connector.datadir import DataDirLock, prepare
from connector.failures import ExitCode, StartFailure


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_with_its_parents_and_closed_to_others(own_folder: Path) -> None:
    """Spaces and accents are no matter."""
    data = prepare(own_folder / "dados é" / "a b")
    assert data.path.is_dir()
    assert mode_of(data.path) == 0o700
    assert list(data.path.iterdir()) == []


@pytest.mark.parametrize("inside", [[], ["lost+found"], ["vigia.lock", "sessions"]])
def test_an_open_folder_of_ours_is_closed(own_folder: Path, inside: list[str]) -> None:
    """An empty one, a fresh disk, or one that a service used before."""
    own_folder.chmod(0o755)
    for name in inside:
        (own_folder / name).touch()
    prepare(own_folder)
    assert mode_of(own_folder) == 0o700


@pytest.mark.parametrize(("mode", "inside"), [(0o755, ["photos"]), (0o1777, [])])
def test_a_shared_folder_stays_as_it_is(own_folder: Path, mode: int, inside: list[str]) -> None:
    """DATA_DIR=/tmp or a home folder by mistake must not close it to its other users."""
    own_folder.chmod(mode)
    for name in inside:
        (own_folder / name).touch()
    with pytest.raises(StartFailure, match="is shared with other users or programs: choose a folder") as caught:
        prepare(own_folder)
    assert caught.value.code is ExitCode.DATA_DIR
    assert mode_of(own_folder) == mode


def test_a_folder_that_cannot_be_closed_is_a_warning(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some mounts know no rights: their owner decided who may read them."""
    own_folder.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", lambda _path, _mode: None)
    heard: list[str] = []
    listener = logger.add(heard.append, format="{message}")
    prepare(own_folder)
    logger.remove(listener)
    assert [f"DATA_DIR {own_folder} stays open to other users" in line for line in heard] == [True]


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_in_the_way_is_told(own_folder: Path, below: str) -> None:
    """The folder is a file, or lies under one."""
    (own_folder / "file").touch()
    with pytest.raises(StartFailure, match=r"is, or leads through, a file: set DATA_DIR to"):
        prepare(own_folder / "file" / below)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EACCES, r"cannot be written \(Permission denied\): give this user the folder, or set DATA_DIR"),
        (errno.EROFS, r"cannot be written \(Read-only file system\): give this user"),
        (errno.ENOSPC, "The disk that holds DATA_DIR .+ is full: leave at least 64 MB free"),
        (errno.EDQUOT, "The disk that holds DATA_DIR .+ is full"),
        (errno.EIO, r"cannot be used \(Input/output error\): set DATA_DIR"),
    ],
)
def test_what_the_disk_refuses_is_one_sentence(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    """Each with its remedy, and nothing left behind."""

    def refuse(_file: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StartFailure, match=sentence) as caught:
        prepare(own_folder / "data")
    assert caught.value.code is ExitCode.DATA_DIR
    assert "\n" not in str(caught.value)
    assert list((own_folder / "data").iterdir()) == []


def test_a_nearly_full_disk_is_told_at_the_start(own_folder: Path) -> None:
    """The sessions would be disconnected at once: better to say so before."""
    with pytest.raises(StartFailure, match="is full"):
        prepare(own_folder, free=lambda _path: datadir.NEEDED_BYTES - 1)
    prepare(own_folder, free=lambda _path: datadir.NEEDED_BYTES)


HOLD = """
import sys
from pathlib import Path
from connector.datadir import DataDir, DataDirLock
with DataDirLock(DataDir(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_service_is_told_who_holds_the_folder(own_folder: Path) -> None:
    """Until the first one ends, even when it is killed."""
    data = prepare(own_folder)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(own_folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(StartFailure, match=rf"Another Vigia \(process {holder.pid}\) already uses .+: stop it, or"),
            DataDirLock(data),
        ):
            pass
        holder.kill()
    with DataDirLock(data):
        assert data.lock.read_text() == f"{os.getpid()}\n"
        assert mode_of(data.lock) == 0o600
    assert data.lock.exists()


def test_the_key_is_made_once(own_folder: Path) -> None:
    """For its owner only, long, and recognisable."""
    path = own_folder / "api-key"
    made = keyfile.read_or_make(path)
    again = keyfile.read_or_make(path)
    assert made.made_now
    assert not again.made_now
    assert made.value == again.value
    assert made.value.startswith(keyfile.PREFIX)
    assert len(made.value) > 40
    assert made.value not in repr(made)
    assert mode_of(path) == 0o600
    assert [entry.name for entry in own_folder.iterdir()] == ["api-key"]


MAKE = """
import sys
from pathlib import Path
from connector.keyfile import read_or_make
sys.stdin.read(1)
print(read_or_make(Path(sys.argv[1])).value)
"""


def test_two_starts_at_once_get_one_key(own_folder: Path) -> None:
    """Whoever is first makes it; the others take it."""
    path = own_folder / "api-key"
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    keys = {start.communicate("x", timeout=30)[0].strip() for start in starts}
    assert keys == {path.read_text().strip()}
    assert [entry.name for entry in own_folder.iterdir()] == ["api-key"]


def test_a_key_of_ones_own_is_taken_and_closed_to_others(own_folder: Path) -> None:
    """Somebody wrote it with an editor: its line end is no part of it."""
    path = own_folder / "api-key"
    path.write_text("my-own-key\n")
    path.chmod(0o644)
    assert keyfile.read_or_make(path).value == "my-own-key"
    assert mode_of(path) == 0o600


@pytest.mark.parametrize("content", [b"", b" \n", b"a\x00b", "clé".encode(), b"\xff"])
def test_a_damaged_key_is_told(own_folder: Path, content: bytes) -> None:
    """Never a service that everybody can call, or nobody."""
    path = own_folder / "api-key"
    path.write_bytes(content)
    with pytest.raises(StartFailure, match=r"key in .+api-key .+ remove"):
        keyfile.read_or_make(path)
