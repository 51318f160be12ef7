"""How a connection is shown: its own words, and those of its session where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from connector import views
from connector.spool import Connection
from connector.views import ConnectionView, TruthView
from sessions.ports import SessionView, Truth
from sessions.state import Status

WITHOUT_SESSION = "without_session"
"""The reason of a connection whose session's record is gone or cannot be read: it is shown, and can be deleted."""
_WITHOUT_SESSION = (
    "O registro desta conexão não pode ser lido: restaure-o de uma cópia, ou exclua a conexão e crie-a de novo."
)


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of a connection beside its names. Times in unix milliseconds."""

    connected_at_ms: int | None = None
    disconnected_at_ms: int | None = None
    tried_at_ms: int | None = None  # when somebody last began to pair it
    name: str | None = None  # the id it had, once it is removed


def known_of(connection: Connection) -> Known:
    """Answer what is kept of *connection* beside its names."""
    return msgspec.json.decode(connection.body, type=Known) if connection.body else Known()


def standing(session: SessionView | None) -> tuple[views.Status, str]:
    """Answer the status and the reason code of a connection, by its session where there is one."""
    if session is None:
        return Status.ERROR.value, WITHOUT_SESSION
    return session.state.reason.status.value, session.state.reason.code


def shown(kept: Connection, session: SessionView | None, now: float) -> ConnectionView:
    """Answer a connection as it is at *now* (unix seconds); without a session, with what is to be done about that."""
    known = known_of(kept)
    status, reason = standing(session)
    state = session.state if session else None
    identity = session.identity if session else None
    silent = session.silent_s if session else None
    return ConnectionView(
        connection_id=kept.id,
        name=kept.name,
        owner_id=kept.owner_id,
        company_id=kept.company_id,
        status=status,
        reason=reason,
        message=state.sentence("pt") if state else _WITHOUT_SESSION,
        phone=identity.phone if identity else None,
        jid=identity.jid if identity else None,
        lid=identity.lid if identity else None,
        connected_at=_moment(known.connected_at_ms),
        disconnected_at=_moment(known.disconnected_at_ms),
        last_event_at=None if silent is None else datetime.fromtimestamp(now, UTC) - timedelta(seconds=silent),
        created_at=datetime.fromtimestamp(kept.created_us / 1e6, UTC),
        lab=session.lab if session else False,
    )


def truth(connection_id: str, it: Truth) -> TruthView:
    """Answer what is known of a connection's session from facts alone."""
    view, state = it.view, it.view.state
    return TruthView(
        connection_id=connection_id,
        session=view.id,
        status=state.reason.status.value,
        reason=state.reason.code,
        message=state.sentence("pt"),
        since=datetime.fromtimestamp(state.since, UTC),
        retry_in_seconds=view.retry_in_s,
        trying_seconds=view.trying_s,
        phone_seen_at=None if view.phone_seen_at is None else datetime.fromtimestamp(view.phone_seen_at, UTC),
        worker=it.worker,
        worker_alive=it.worker_alive,
        as_of_seconds=it.as_of_s,
        pump=it.pump,
        socket=it.socket,
        logged_in=it.logged_in,
        heard_seconds=it.heard_s,
        event_seconds=it.event_s,
        sent_seconds=it.sent_s,
        keepalive_errors=it.keepalive_errors,
    )


def _moment(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)
