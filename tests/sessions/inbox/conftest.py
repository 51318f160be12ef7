from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from sessions.inbox import InboxFolder, InboxReader, InboxTail, InboxWriter, Row, inbox_name


class OpenWriter(Protocol):
    def __call__(self, worker: str, boot: str = "b1", **settings: Any) -> InboxWriter: ...


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A folder whose name needs care in a URI."""
    folder = tmp_path / "caixa de saída #1?"
    folder.mkdir()
    return folder


@pytest.fixture
def closes() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def open_writer(spool: Path, closes: ExitStack) -> OpenWriter:
    def open_writer(worker: str, boot: str = "b1", **settings: Any) -> InboxWriter:
        settings = {"wake": lambda: None, "free_bytes": lambda _: 1 << 40} | settings
        return closes.enter_context(closing(InboxWriter(spool / inbox_name(worker, boot), **settings)))

    return open_writer


@pytest.fixture
def open_reader(closes: ExitStack) -> Callable[[Path], InboxReader]:
    return lambda path: closes.enter_context(closing(InboxReader(path)))


@pytest.fixture
def folder(spool: Path, closes: ExitStack) -> InboxFolder:
    return closes.enter_context(closing(InboxFolder(spool)))


@pytest.fixture
def tail(spool: Path, closes: ExitStack) -> InboxTail:
    return closes.enter_context(closing(InboxTail(spool)))


@pytest.fixture
def said() -> Callable[[str, int], Row]:
    """The n-th thing that a session said."""
    return lambda session, n: Row(session, "message", 17, n, b"words", b"raw", None)
