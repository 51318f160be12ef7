"""What became of a message: states rise by rank, whatever order they are told in."""

from __future__ import annotations

import uuid
from itertools import permutations

import pytest
from ways import every_way

from connector.store.rows import Mensagem
from connector.store.store import Store

pytestmark = every_way

RANKED = ["sending", "unknown", "sent", "delivered", "read", "played"]


@pytest.fixture
def ref() -> str:
    return str(uuid.uuid4())


async def row_of(store: Store, message_id: str) -> Mensagem:
    row = await store.message(message_id)
    assert row
    return row


def expected(known: str | None, told: str | None) -> str | None:
    """Say the rule in other words than the database does."""
    if known is None or told is None:
        return told or known
    if told == "failed":
        return "failed" if known in ("sending", "unknown") else known
    if known == "failed":
        return told if told in RANKED[3:] else known
    return max(known, told, key=RANKED.index)


async def test_the_rule_for_every_pair(sql) -> None:
    states = [None, *RANKED, "failed"]
    for known in states:
        for told in states:
            found = await sql.fetchval("select vigia_delivery($1, $2)", known, told)
            assert found == expected(known, told), (known, told)


async def test_a_send_is_on_its_way_then_sent_then_read(teller, store: Store, ref: str) -> None:
    await teller.tell(teller.sending(ref))
    assert (await row_of(store, ref)).status == "sending"
    await teller.tell(teller.outcome(ref, "sent", "W", at_ms=1_700_000_005_000))
    row = await row_of(store, ref)
    assert (row.status, row.wa_message_id, row.lida, row.timestamp.timestamp()) == ("sent", "W", False, 1_700_000_005)
    await teller.tell(teller.receipt("read", "W"))
    await teller.tell(teller.receipt("delivered", "W"), teller.outcome(ref, "unknown"), teller.outcome(ref, "failed"))
    row = await row_of(store, ref)
    assert (row.status, row.lida, row.error) == ("read", True, None)


@pytest.mark.parametrize("late", ["sent", "failed"])
async def test_a_late_outcome_ends_the_doubt(teller, store: Store, ref: str, late: str) -> None:
    await teller.tell(teller.sending(ref), teller.outcome(ref, "unknown", error="timed_out"))
    row = await row_of(store, ref)
    assert (row.status, row.error) == ("unknown", "timed_out")
    await teller.tell(teller.outcome(ref, late, "W" if late == "sent" else None, error=None if late == "sent" else "x"))
    await teller.tell(teller.outcome(ref, "unknown"))
    row = await row_of(store, ref)
    assert (row.status, row.error) == (late, None if late == "sent" else "x")


async def test_a_receipt_that_came_first_is_joined(teller, store: Store, sql, ref: str) -> None:
    for order in permutations(["delivered", "read"]):
        await teller.tell(*(teller.receipt(state, "W") for state in order))
    assert await sql.fetchval("select state from whatsapp_pending_receipts") == "read"
    await teller.tell(teller.sending(ref))
    await teller.tell(teller.outcome(ref, "sent", "W"))
    row = await row_of(store, ref)
    assert (row.status, row.lida) == ("read", True)
    assert await sql.fetchval("select count(*) from whatsapp_pending_receipts") == 0


async def test_the_echo_of_a_send_is_the_same_message(teller, store: Store, sql, ref: str) -> None:
    """WhatsApp may show a send before its outcome is known, after a killed hub for example."""
    await teller.tell(teller.sending(ref), teller.came("W", "Bom dia", from_me=True), teller.receipt("delivered", "W"))
    await teller.tell(teller.outcome(ref, "unknown", "W"))
    assert await sql.fetchval("select count(*) from whatsapp_mensagens") == 1
    row = await row_of(store, ref)
    assert (row.status, row.wa_message_id) == ("delivered", "W")
    (echo,) = await teller.tell(teller.came("W", "Bom dia", from_me=True))
    assert echo.message_id == ref


async def test_an_outcome_of_a_send_that_is_not_there_is_no_error(teller, ref: str) -> None:
    (nothing,) = await teller.tell(teller.outcome(ref, "sent", "W"))
    assert nothing.atendimento_id is None


async def test_what_the_owner_read_elsewhere_is_read_and_has_no_state(teller, store: Store) -> None:
    (recorded,) = await teller.tell(teller.came("A"))
    await teller.tell(teller.receipt("read", "A"))
    row = await row_of(store, recorded.message_id)
    assert (row.lida, row.status) == (True, None)


async def test_receipts_nobody_claims_go_after_a_week(teller, sql) -> None:
    await teller.tell(teller.receipt("read", "old"))
    await sql.execute("update whatsapp_pending_receipts set kept_at = now() - interval '8 days'")
    await teller.tell(teller.receipt("read", "new"))
    assert [row[0] for row in await sql.fetch("select wa_message_id from whatsapp_pending_receipts")] == ["new"]
