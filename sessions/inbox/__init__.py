"""The workers' append-only files: whatever the engine hands over goes here before anything else. The one place with SQL in `sessions`."""

from sessions.inbox.folder import InboxFolder
from sessions.inbox.reader import InboxReader
from sessions.inbox.rows import InboxDamaged, InboxError, InboxFull, Row, StoredRow, inbox_name
from sessions.inbox.tail import InboxTail
from sessions.inbox.writer import InboxWriter

__all__ = [
    "InboxDamaged",
    "InboxError",
    "InboxFolder",
    "InboxFull",
    "InboxReader",
    "InboxTail",
    "InboxWriter",
    "Row",
    "StoredRow",
    "inbox_name",
]
