"""Facts told together mean what they mean told one by one: random stories, recorded both ways, leave the same rows."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from ways import every_way

from connector.facts import ConnectionRef, Fact
from connector.store.store import Store

pytestmark = every_way

PEOPLE = 4
FACTS = 60
SEEDS = range(12)
MESSAGES = """
select wa_message_id, conteudo, placeholder, remetente, extract(epoch from timestamp)::text, chat, sender, status, lida, version
  from whatsapp_mensagens where owner_id = $1 order by seq
"""
ATENDIMENTOS = """
select a.numero_cliente, a.nome_cliente, a.status, a.merged_into is not null, extract(epoch from a.ultima_mensagem)::text,
       array_agg(m.wa_message_id order by m.seq)
  from whatsapp_atendimentos a left join whatsapp_mensagens m on m.atendimento_id = a.id
 where a.owner_id = $1 group by a.id order by min(m.seq), a.numero_cliente, a.nome_cliente
"""
PERSONS = """
select c.numero, c.nome, c.numero_is_phone, array_agg(a.alias order by a.alias)
  from whatsapp_contacts c join whatsapp_contact_aliases a on a.contact_id = c.id where c.owner_id = $1 group by c.id order by c.age
"""
WAITING = "select wa_message_id, state from whatsapp_pending_receipts where session_id = $1 order by 1"


def story(teller: Any, chance: random.Random) -> Iterator[Fact]:
    """Customers write under one form of address or another, with names that change; some things come twice, damaged, or too early."""
    said: list[str] = []
    for step in range(FACTS):
        person = chance.randrange(PEOPLE)
        phone, lid = f"55119000{person:05}@s.whatsapp.net", f"77{person}@lid"
        match chance.choices(["came", "again", "mine", "receipt", "sent", "state"], [30, 3, 3, 2, 1, 1])[0]:
            case "came":
                chat, alt = chance.choice([(phone, None), (lid, None), (phone, lid), (lid, phone), (lid, phone)])
                text = None if chance.random() < 0.1 else f"{step}"
                name = chance.choice(["Ana", "Ana", "Bia", None])
                said.append(f"WA{step}")
                yield teller.came(
                    said[-1], text, chat=chat, alt=alt, push_name=name, at_ms=1_700_000_000_000 + step * 1000
                )
            case "again" if said:
                yield teller.came(chance.choice(said), f"outra vez {step}", chat=phone)
            case "mine":
                said.append(f"WA{step}")
                yield teller.came(said[-1], f"eu {step}", chat=chance.choice([phone, lid]), from_me=True)
            case "receipt":
                yield teller.receipt(chance.choice(["delivered", "read"]), chance.choice([*said, f"WA{step + 3}"]))
            case "sent":
                message = str(uuid.uuid5(uuid.UUID(teller.ref.session), f"{step}"))
                yield teller.sending(message, to=phone)
                yield teller.outcome(message, "sent", f"WA{step}-sent")
            case _:
                yield teller.state("connected")


async def left(sql: Any, ref: ConnectionRef) -> list[Any]:
    """Answer what is in the tables of one owner, without what differs from run to run."""
    found = [await sql.fetch(query, ref.owner_id) for query in (MESSAGES, ATENDIMENTOS, PERSONS)]
    return [[tuple(row) for row in rows] for rows in [*found, await sql.fetch(WAITING, ref.session)]]


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_story_told_at_once_is_the_story_told_by_and_by(teller: Any, store: Store, sql: Any, seed: int) -> None:
    rows: list[list[Any]] = []
    answers: list[list[Any]] = []
    for pieces in (1, 17, FACTS * 2):
        teller.ref = replace(teller.ref, session=str(uuid.uuid4()), owner_id=str(uuid.uuid4()))
        teller.steps = iter(range(1, 10_000))
        told = list(story(teller, random.Random(seed)))
        found: list[Any] = []
        for begin in range(0, len(told), pieces):
            found += await store.record([msgspec.json.encode(fact) for fact in told[begin : begin + pieces]])
        rows.append(await left(sql, teller.ref))
        answers.append([(one.op, one.message_id is None, one.atendimento_id is None) for one in found])
    assert answers[0] == answers[1] == answers[2]
    for table in range(4):
        assert rows[0][table] == rows[1][table] == rows[2][table]


async def test_what_is_told_twice_together_changes_nothing(teller: Any, sql: Any) -> None:
    """A batch whose answer was lost is told again, with more behind it."""
    first = [teller.came(f"A{n}", f"{n}") for n in range(20)]
    await teller.tell(*first)
    before = await left(sql, teller.ref)
    told = await teller.tell(*first, *first[:5])
    assert await left(sql, teller.ref) == before
    assert [one.op for one in told] == [fact["op"] for fact in [*first, *first[:5]]]
    assert len({one.message_id for one in told}) == 20
    more = await teller.tell(*first, *(teller.came(f"B{n}", f"{n}") for n in range(20)))
    assert len({one.message_id for one in more}) == 40


async def test_rows_that_came_together_keep_their_order(teller: Any, sql: Any) -> None:
    """All in one second: what orders them is how they came."""
    await teller.tell(*(teller.came(f"A{n}", f"{n}", chat=f"55119{n % 7}@s.whatsapp.net") for n in range(100)))
    ids = await sql.fetch("select wa_message_id from whatsapp_mensagens order by seq")
    assert [row[0] for row in ids] == [f"A{n}" for n in range(100)]
