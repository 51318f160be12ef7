"""What the database's errors mean for the rows that wait for it. Pure.

Which SQLSTATE and which answer over HTTP is which error stands in `connector.store.errors` and `connector.store.causes`. There,
what nobody thought of is `Misconfigured`, so that it parks: it stops the queue loudly and loses nothing.
"""

from __future__ import annotations

from connector.spool.sink import Park, Poison, Wait
from connector.store.errors import Misconfigured, Offline, Rejected, StoreError


def of_store(error: StoreError) -> Wait | Park | Poison:
    """Answer what *error* means for a batch. A row is set aside only once it was refused alone."""
    reason = _sentence(error)
    match error:
        case Offline():
            return Wait(reason, error.retry_after_s)
        case Rejected():
            return Poison(reason)
        case Misconfigured() | StoreError():
            return Park(reason)


def _sentence(error: StoreError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
