"""The links by which people without a key may pair one connection: kept as digests, so that reading the disk opens nothing."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from connector.spool.database import Database

_PUT = """
INSERT INTO pair_link (connection_id, session, digest, expires_us) VALUES (?, ?, ?, ?)
ON CONFLICT (connection_id) DO UPDATE
SET session = excluded.session, digest = excluded.digest, expires_us = excluded.expires_us
"""


@dataclass(frozen=True, slots=True)
class PairLink:
    """A link: whose it is, the digest of its token, until when (unix microseconds).

    `session` tells a connection from a later one of the same id: to that one the link does not lead.
    """

    connection_id: str
    session: str
    digest: bytes
    expires_us: int


class PairLinks:
    """At most one for each connection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, link: PairLink) -> None:
        """Keep a link in place of the connection's one before."""
        values = (link.connection_id, link.session, link.digest, link.expires_us)
        await self._database.write(lambda db: _done(db.execute(_PUT, values)))

    async def find(self, digest: bytes) -> PairLink | None:
        """Answer the link whose token has this digest, also an expired one that is not yet forgotten."""

        def work(db: sqlite3.Connection) -> PairLink | None:
            sql = "SELECT connection_id, session, digest, expires_us FROM pair_link WHERE digest = ?"
            row = db.execute(sql, (digest,)).fetchone()
            return PairLink(*row) if row else None

        return await self._database.read(work)

    async def live(self, *, at_us: int) -> frozenset[str]:
        """Answer the connections that have a link which has not expired by then."""
        sql = "SELECT connection_id FROM pair_link WHERE expires_us > ?"
        return await self._database.read(lambda db: frozenset(row[0] for row in db.execute(sql, (at_us,))))

    async def forget(self, *, before_us: int) -> None:
        """Forget those that expired before then."""
        sql = "DELETE FROM pair_link WHERE expires_us < ?"
        await self._database.tidy(lambda db: _done(db.execute(sql, (before_us,))))


def _done(_cursor: sqlite3.Cursor) -> None:
    """Leave nothing open."""
