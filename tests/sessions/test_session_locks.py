"""The lock on a session's file: one holder, and the kernel gives it back."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.errors import Locked
from sessions.locks import FileLock

HOLD = """
import sys
from pathlib import Path
from sessions.locks import FileLock
lock = FileLock(Path(sys.argv[1]))
lock.take()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.lock"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "held\n"
        yield child
        child.kill()


def test_the_second_taker_is_refused_at_once_and_may_have_it_afterwards(path: Path):
    first, second = FileLock(path), FileLock(path)
    first.take()
    with pytest.raises(Locked):
        second.take()
    assert not FileLock.free(path)
    first.release()
    second.take()
    second.release()
    assert FileLock.free(path)


def test_to_take_or_to_release_twice_is_harmless(path: Path):
    lock = FileLock(path)
    lock.release()
    lock.take()
    lock.take()
    lock.release()
    assert FileLock.free(path), "taken twice is still one lock"
    lock.release()


def test_a_refused_taker_keeps_no_descriptor(path: Path):
    held = FileLock(path)
    held.take()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # the count is the point
    for _ in range(50):
        with pytest.raises(Locked):
            FileLock(path).take()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    held.release()


def test_kill_9_frees_it(path: Path, holder: subprocess.Popen[str]):
    with pytest.raises(Locked):
        FileLock(path).take()
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    lock = FileLock(path)
    lock.take()
    lock.release()


async def test_a_child_program_does_not_inherit_it(path: Path, until):
    lock = FileLock(path)
    lock.take()
    with subprocess.Popen(  # noqa: ASYNC220  # over in an instant
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, close_fds=False
    ) as child:
        lock.release()
        await until(
            lambda: FileLock.free(path)
        )  # the system closes what a new program does not inherit a moment after it starts
        assert child.poll() is None
        child.kill()


def test_its_file_is_for_the_owner_only(path: Path):
    lock = FileLock(path)
    lock.take()
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    lock.release()
