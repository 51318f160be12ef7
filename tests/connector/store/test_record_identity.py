"""One person, one identity: phone number, LID and both Brazilian forms that WhatsApp itself has shown."""

from __future__ import annotations

import uuid
from typing import Any

from ways import every_way

from connector.store.store import Store

pytestmark = every_way

PHONE, OLD_FORM, LID = "5511988887777@s.whatsapp.net", "551188887777@s.whatsapp.net", "111222333@lid"
BOUNDS: dict[str, Any] = {"limit": 100, "offset": 0}


async def test_both_names_of_a_person_lead_to_one_atendimento(teller, store: Store) -> None:
    known, by_lid, by_phone = await teller.tell(
        teller.came("A", chat=LID, alt=PHONE), teller.came("B", chat=LID), teller.came("C", chat=PHONE)
    )
    assert known.atendimento_id == by_lid.atendimento_id == by_phone.atendimento_id
    assert (await store.active_atendimentos(**BOUNDS)).items[0].numero_cliente == "5511988887777"


async def test_a_number_takes_the_place_of_a_lid_when_it_is_told(teller, store: Store) -> None:
    await teller.tell(teller.came("A", chat=LID))
    assert (await store.active_atendimentos(**BOUNDS)).items[0].numero_cliente == "111222333"
    await teller.tell(teller.came("B", chat=LID, alt=PHONE))
    assert (await store.active_atendimentos(**BOUNDS)).items[0].numero_cliente == "5511988887777"


async def test_a_ninth_digit_is_never_added_by_rule(teller, store: Store) -> None:
    new, old = await teller.tell(teller.came("A", chat=PHONE), teller.came("B", chat=OLD_FORM))
    assert new.atendimento_id != old.atendimento_id


async def test_records_that_turn_out_to_be_one_person_become_one(teller, store: Store, sql) -> None:
    """The sales desk wrote to the number with the ninth digit; the answer came from a LID; then WhatsApp shows what belongs together."""
    (sent,) = await teller.tell(teller.sending(str(uuid.uuid4()), to=PHONE))
    (answer,) = await teller.tell(teller.came("A", chat=LID, at_ms=1_700_000_100_000))
    assert sent.atendimento_id != answer.atendimento_id
    (joined,) = await teller.tell(teller.came("B", chat=LID, alt=PHONE))
    assert joined.atendimento_id == sent.atendimento_id, "the one that somebody works on stays"
    active = await store.active_atendimentos(**BOUNDS)
    assert [(a.id, a.numero_cliente, a.nome_cliente) for a in active.items] == [
        (sent.atendimento_id, "5511988887777", "Ana")
    ]
    assert active.items[0].ultima_mensagem.timestamp() == 1_700_000_100
    old = await store.messages(answer.atendimento_id, **BOUNDS)
    assert old
    assert old.total == 3, "its old name leads to where its messages are"
    assert await sql.fetchval("select count(*) from whatsapp_contacts") == 1
    assert await sql.fetchval("select status from whatsapp_atendimentos where merged_into is not null") == "CANCELADO"


async def test_a_name_written_by_hand_stays(teller, store: Store, sql) -> None:
    await teller.tell(teller.came("A", push_name="ana :)"))
    await teller.tell(teller.came("B", push_name="Ana"))
    assert (await store.active_atendimentos(**BOUNDS)).items[0].nome_cliente == "Ana"
    await sql.execute("update whatsapp_atendimentos set nome_cliente = 'Ana Souza'")
    await teller.tell(teller.came("C", push_name="Aninha"))
    assert (await store.active_atendimentos(**BOUNDS)).items[0].nome_cliente == "Ana Souza"


async def test_sessions_know_a_person_each_for_itself(teller, store: Store) -> None:
    other = type(teller)(store)
    (here,) = await teller.tell(teller.came("A"))
    (there,) = await other.tell(other.came("A"))
    assert here.atendimento_id != there.atendimento_id
