"""Keeps a session's rows in order when it changes worker, and so file.

A worker owns a session by a lock, so when it stores its first row of one, whatever the worker before it stored is already on
disk. That row is given the seqs at which the session's rows in the other files end (`StoredRow.after`), and a reader goes past it
only once those are read (`InboxFolder.pending`). Rows in one file are read in order, hence everything behind it waits as well.
Nothing can wait in a circle: a row waits only for rows that were committed before it. The order of files by age would not do: a
session that was paired a minute ago moves to a worker that has run for days.
"""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

from sessions.inbox.files import PATTERN
from sessions.inbox.reader import InboxReader
from sessions.inbox.rows import InboxError

log = logging.getLogger(__name__)


def rows_elsewhere(own: Path, session: str) -> dict[str, int]:
    """Answer where *session*'s rows end in the other inboxes beside *own*; files that hold none are left out.

    A file that cannot be read is passed over with a warning: its rows may come late, but the row at hand must not be lost.
    """
    ends: dict[str, int] = {}
    for path in sorted(own.parent.glob(PATTERN)):
        if path.name == own.name:
            continue
        try:
            with closing(InboxReader(path)) as reader:
                last = reader.last_of(session)
        except InboxError as error:
            if not path.exists():
                continue  # it was read to its end and retired in this very moment
            log.warning("A session's events may come out of order across this change of worker: %s", error)
            continue
        if last:
            ends[path.name] = last
    return ends
