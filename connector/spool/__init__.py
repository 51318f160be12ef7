"""Arrived, and not yet where it belongs: what happened lies here, on local disk, until every sink has it."""

from connector.spool.drainer import Drainer, SinkState, SinkView
from connector.spool.errors import SpoolClosed, SpoolDamaged, SpoolError, SpoolFull
from connector.spool.journal import Entry, Journal
from connector.spool.mover import Mover, Process
from connector.spool.outbox import Outbox
from connector.spool.pairlinks import PairLink, PairLinks
from connector.spool.rows import (
    INBOUND,
    Connection,
    DeadLetter,
    Ended,
    NewSend,
    OutRow,
    Send,
    SendState,
    StoredOut,
)
from connector.spool.sends import Begun, Conflict, Replay, Sends
from connector.spool.sink import Delivered, Going, Park, Poison, Sink, Verdict, Wait
from connector.spool.spool import Spool

__all__ = [
    "INBOUND",
    "Begun",
    "Conflict",
    "Connection",
    "DeadLetter",
    "Delivered",
    "Drainer",
    "Ended",
    "Entry",
    "Going",
    "Journal",
    "Mover",
    "NewSend",
    "OutRow",
    "Outbox",
    "PairLink",
    "PairLinks",
    "Park",
    "Poison",
    "Process",
    "Replay",
    "Send",
    "SendState",
    "Sends",
    "Sink",
    "SinkState",
    "SinkView",
    "Spool",
    "SpoolClosed",
    "SpoolDamaged",
    "SpoolError",
    "SpoolFull",
    "StoredOut",
    "Verdict",
    "Wait",
]
