"""Messages become rows, once, in the one open atendimento of their customer."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from ways import every_way

from connector.store.errors import Offline, Rejected
from connector.store.rows import Recorded
from connector.store.store import Conflict, Store

pytestmark = every_way

BOUNDS: dict[str, Any] = {"limit": 100, "offset": 0}


async def test_a_text_opens_an_atendimento_and_the_next_continues_it(teller, store: Store) -> None:
    first, second = await teller.tell(teller.came("A"), teller.came("B", "tudo bem?", at_ms=1_700_000_060_000))
    assert first.atendimento_id == second.atendimento_id
    assert first.atendimento_id
    page = await store.messages(first.atendimento_id, **BOUNDS)
    assert page
    assert [(m.conteudo, m.remetente, m.tipo, m.wa_message_id, m.status) for m in page.items] == [
        ("Olá", "CLIENTE", "TEXTO", "A", None),
        ("tudo bem?", "CLIENTE", "TEXTO", "B", None),
    ]
    active = await store.active_atendimentos(owner=teller.ref.owner_id, **BOUNDS)
    (one,) = active.items
    assert (one.numero_cliente, one.nome_cliente, one.status, one.connection_id, active.total) == (
        "5511988887777",
        "Ana",
        "AGUARDANDO",
        "loja-1",
        1,
    )
    assert one.ultima_mensagem == datetime.fromtimestamp(1_700_000_060, UTC)


async def test_a_replay_changes_nothing(teller, sql) -> None:
    send = str(uuid.uuid4())
    batch = [
        teller.state("connected"),
        teller.came("A"),
        teller.came("B", None),
        teller.sending(send),
        teller.outcome(send, "sent", "C"),
        teller.receipt("read", "C", "never-seen"),
        teller.came("B", "agora sim"),
        teller.state("disconnected"),
    ]
    first = await teller.tell(*batch)

    async def everything() -> list[str]:
        tables = await sql.fetch("select tablename from pg_tables where schemaname = 'public' order by 1")
        shown: list[str] = []
        for (table,) in tables:
            rows = await sql.fetch(f"select to_jsonb(t) - 'updated_at' - 'kept_at' as row from {table} t order by 1")
            shown += [f"{table} {row[0]}" for row in rows]
        return shown

    before = await everything()
    assert len(before) > 5
    again = await teller.tell(*batch)
    assert again == first
    for fact in batch:
        await teller.tell(fact)
    assert await everything() == before


async def test_a_placeholder_is_filled_and_never_emptied(teller, store: Store) -> None:
    (empty,) = await teller.tell(teller.came("A", None))
    row = await store.message(empty.message_id)
    assert row
    assert (row.conteudo, row.placeholder) == ("", True)
    await teller.tell(teller.came("A", "por extenso"))
    await teller.tell(teller.came("A", None), teller.came("A", "outra coisa"))
    row = await store.message(empty.message_id)
    assert row
    assert (row.conteudo, row.placeholder) == ("por extenso", False)


async def test_after_an_end_a_new_one_begins_and_an_old_message_told_again_does_not_begin_it(
    teller, store: Store
) -> None:
    old = teller.came("A")
    (first,) = await teller.tell(old)
    ended = await store.set_atendimento_status(first.atendimento_id, "FINALIZADO")
    assert ended
    assert ended.data_fim is not None
    (replayed,) = await teller.tell(old)
    assert replayed == first
    (second,) = await teller.tell(teller.came("B"))
    assert second.atendimento_id != first.atendimento_id
    with pytest.raises(Conflict):
        await store.set_atendimento_status(first.atendimento_id, "EM_ATENDIMENTO")
    await store.set_atendimento_status(second.atendimento_id, "CANCELADO")
    reopened = await store.set_atendimento_status(first.atendimento_id, "EM_ATENDIMENTO")
    assert reopened
    assert reopened.data_fim is None


async def recorded_in_the_end(store: Store, facts: list[bytes]) -> list[Recorded]:
    """Tell it again where the database had no time, as the queue does: the local endpoint stumbles over connections that begin at once."""
    for _ in range(5):
        try:
            return await store.record(facts)
        except Offline:
            await asyncio.sleep(0)
    return await store.record(facts)


async def test_at_once_from_many_sides_one_atendimento_opens(teller, store: Store) -> None:
    facts = [[msgspec.json.encode(teller.came(f"M{n}-{m}")) for m in range(5)] for n in range(8)]
    recorded = await asyncio.gather(*(recorded_in_the_end(store, batch) for batch in facts))
    (atendimento,) = {one.atendimento_id for batch in recorded for one in batch}
    assert atendimento
    page = await store.messages(atendimento, **BOUNDS)
    assert page
    assert page.total == 40


@pytest.mark.parametrize(("remetente", "status"), [("ATENDENTE", "EM_ATENDIMENTO"), ("SISTEMA", "AGUARDANDO")])
async def test_a_send_opens_one_too(teller, store: Store, remetente: str, status: str) -> None:
    ref = str(uuid.uuid4())
    (opened,) = await teller.tell(teller.sending(ref, remetente=remetente))
    assert opened.message_id == ref
    (one,) = (await store.active_atendimentos(**BOUNDS)).items
    assert (one.id, one.status, one.nome_cliente) == (opened.atendimento_id, status, None)
    (answer,) = await teller.tell(teller.came("A"))
    assert answer.atendimento_id == opened.atendimento_id
    (one,) = (await store.active_atendimentos(**BOUNDS)).items
    assert (one.status, one.nome_cliente) == (status, "Ana")


async def test_what_the_own_phone_wrote_is_the_attendants(teller, store: Store) -> None:
    (recorded,) = await teller.tell(teller.came("A", from_me=True, push_name="A Loja"))
    row = await store.message(recorded.message_id)
    assert row
    assert (row.remetente, row.status) == ("ATENDENTE", "sent")
    (one,) = (await store.active_atendimentos(**BOUNDS)).items
    assert (one.numero_cliente, one.nome_cliente) == ("5511988887777", None)


async def test_tenants_are_bounds_and_pages_have_totals(teller, store: Store) -> None:
    recorded = await teller.tell(*(teller.came(f"M{n}", str(n), at_ms=1_700_000_000_000 - n) for n in range(5)))
    atendimento = recorded[0].atendimento_id
    page = await store.messages(atendimento, owner=teller.ref.owner_id, limit=2, offset=1)
    assert page
    assert ([m.conteudo for m in page.items], page.total) == (["3", "2"], 5)
    stranger: dict[str, Any] = {"owner": "somebody-else"}
    assert await store.messages(atendimento, **stranger, **BOUNDS) is None
    assert await store.message(recorded[0].message_id, company="another") is None
    assert await store.set_atendimento_status(atendimento, "FINALIZADO", **stranger) is None
    assert (await store.active_atendimentos(**stranger, **BOUNDS)).items == []
    assert (await store.active_atendimentos(session=teller.ref.session, **BOUNDS)).total == 1
    assert (await store.sessions(**stranger, **BOUNDS)).total == 0
    assert [row.id for row in (await store.sessions(company=teller.ref.company_id, **BOUNDS)).items] == [
        teller.ref.session
    ]


async def test_no_content_stops_a_message_and_a_bad_fact_takes_its_batch_with_it(teller, store: Store) -> None:
    (recorded,) = await teller.tell(teller.came("A", "a\x00b \\u0000 'c' \U0001f600"))
    row = await store.message(recorded.message_id)
    assert row
    assert row.conteudo == "a\ufffdb \\u0000 'c' \U0001f600"
    with pytest.raises(Rejected) as refused:
        await teller.tell(teller.came("B", "segredo"), {**teller.came("C", "segredo"), "kind": "other"})
    assert "segredo" not in str(refused.value)
    with pytest.raises(Rejected):
        await store.set_atendimento_status(recorded.atendimento_id, "PERDIDO")
    page = await store.messages(recorded.atendimento_id, **BOUNDS)
    assert page
    assert page.total == 1


async def test_a_connections_row_follows_the_newest_word(teller, store: Store) -> None:
    late = teller.state("error", reason="banned", at_ms=1_700_000_001_000)
    up, down = (
        teller.state("connected", at_ms=1_700_000_002_000),
        teller.state("disconnected", reason="logged_out", phone=None, at_ms=1_700_000_003_000),
    )
    await teller.tell(up)
    await teller.tell(late)
    (row,) = (await store.sessions(**BOUNDS)).items
    assert (row.status, row.phone, row.disconnected_at) == ("connected", "5511900000000", None)
    assert row.connected_at == datetime.fromtimestamp(1_700_000_002, UTC)
    await teller.tell(down)
    (row,) = (await store.sessions(**BOUNDS)).items
    assert (row.status, row.reason, row.phone, row.connection_id, row.session_name) == (
        "disconnected",
        "logged_out",
        None,
        "loja-1",
        "Loja",
    )
    assert (row.connected_at, row.disconnected_at) == (
        datetime.fromtimestamp(1_700_000_002, UTC),
        datetime.fromtimestamp(1_700_000_003, UTC),
    )
    assert await store.newest_version() == down["version"]


async def test_a_connections_row_has_a_code_only_while_it_is_told_and_the_last_sign_of_life(
    teller, store: Store
) -> None:
    seen = 1_700_000_001_000
    await teller.tell(teller.state("connecting", qr_code="2@code", qr_expires_at_ms=1_700_000_060_000, seen_at_ms=seen))
    (row,) = (await store.sessions(**BOUNDS)).items
    assert (row.qr_code, row.qr_expires_at) == ("2@code", datetime.fromtimestamp(1_700_000_060, UTC))
    assert row.last_seen_at == datetime.fromtimestamp(1_700_000_001, UTC)
    await teller.tell(teller.state("connected", qr_code=None, qr_expires_at_ms=None, seen_at_ms=None))
    (row,) = (await store.sessions(**BOUNDS)).items
    assert (row.qr_code, row.qr_expires_at) == (None, None)
    assert row.last_seen_at == datetime.fromtimestamp(1_700_000_001, UTC)
