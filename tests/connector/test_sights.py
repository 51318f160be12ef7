"""What is seen of the service just now, over a real spool and a real fleet that runs nothing."""

from __future__ import annotations

from connector.metrics import SessionFigures
from connector.observer import look
from connector.sights import Seen
from connector.spool import INBOUND, OutRow, Spool
from connector.spool.outbox import Move
from connector.spool.rows import Grave


async def test_a_connection_without_a_session_is_among_the_figures_and_a_removed_one_is_not(seen: Seen) -> None:
    assert set(seen.figures().sessions) == {
        SessionFigures("nova", "disconnected", "never_paired"),
        SessionFigures("sem", "error", "without_session"),
    }


async def test_events_that_could_not_be_processed_are_among_the_dead_letters(seen: Seen, spool: Spool) -> None:
    """As are those of a sink that is configured no more; what may come is there from the start, or its first would be no news."""
    assert seen.dead_letters() == {INBOUND: 0}
    graves = [Grave(OutRow(sink, "s", f"op:{n}", b""), "No.") for n, sink in enumerate((INBOUND, INBOUND, "webhook"))]
    await spool.outbox.move(Move(rows=[], cursors={}, dead=graves))
    expected = {INBOUND: 2, "webhook": 1}
    assert (seen.dead_letters(), seen.figures().dead, look(seen, 0.0).dead) == (expected, expected, expected)
