"""Messages and atendimentos over HTTP."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from connector import refusals
from connector.views import SendIn
from sessions.errors import DiskFull, NotConnected

BASE = "/api/whatsapp-integration"
SEND = BASE + "/messages/send"
TEXT = {"connectionId": "c1", "to": "5511999999999@s.whatsapp.net", "content": "Olá! 👋", "type": "text"}


@pytest.fixture(autouse=True)
async def connected(client: Any, memory: Any) -> None:
    """Have one connection that is connected."""
    await client.post(f"{BASE}/connections", json={"connectionId": "c1", "name": "n", "ownerId": "user-1"})
    memory.be("c1", "connected", "connected")


async def test_sent(client: Any, memory: Any) -> None:
    """The answer names it at once; later it is found by its id."""
    answer = await client.post(SEND, json=TEXT)
    body = await answer.json()
    assert answer.status == 201
    assert body == {
        "messageId": body["messageId"],
        "waMessageId": "3EB0AA",
        "status": "sent",
        "atendimentoId": None,
        "recorded": False,
        "timestamp": "2026-01-02T03:04:05Z",
    }
    assert memory.asked[-1] == ("send", SendIn("c1", TEXT["to"], TEXT["content"]))
    later = await client.get(f"{BASE}/messages/by-id/{body['messageId'].upper()}")
    assert (later.status, await later.json()) == (200, {**body, "error": None})


async def test_who_writes(client: Any, memory: Any) -> None:
    """A person, unless it is said to be the system; never the customer."""
    await client.post(SEND, json={**TEXT, "remetente": "SISTEMA"})
    assert memory.asked[-1][1].remetente == "SISTEMA"
    refused = await client.post(SEND, json={**TEXT, "remetente": "CLIENTE"})
    assert (refused.status, (await refused.json())["errors"][0]["field"]) == (422, "body.remetente")


async def test_nobody_knows(client: Any, memory: Any) -> None:
    """202: neither sent nor failed, and never sent again."""
    memory.next_status = "unknown"
    answer = await client.post(SEND, json=TEXT)
    assert (answer.status, (await answer.json())["status"]) == (202, "unknown")


async def test_once_only(client: Any, memory: Any) -> None:
    """The same key and body is the same message; another body is refused, and named."""
    key = {"Idempotency-Key": "order-17"}
    first, again = [await (await client.post(SEND, json=TEXT, headers=key)).json() for _ in range(2)]
    assert (first, len(memory.sent)) == (again, 1)
    other = await client.post(SEND, json={**TEXT, "content": "another"}, headers=key)
    problem = await other.json()
    assert (other.status, problem["code"]) == (422, "idempotency_key_reused")
    assert problem["errors"][0]["field"] == "header.Idempotency-Key"


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
async def test_odd_keys(client: Any, memory: Any, key: str) -> None:
    """Are refused by name, and nothing is sent."""
    answer = await client.post(SEND, json=TEXT, headers={"Idempotency-Key": key})
    assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "header.Idempotency-Key")
    assert memory.sent == {}


async def test_not_connected(client: Any, memory: Any) -> None:
    """409 with the exact reason; also when it broke between asking and sending."""
    memory.be("c1", "connecting", "reconnecting")
    answer = await client.post(SEND, json=TEXT)
    body = await answer.json()
    assert (answer.status, body["code"], body["reason"]) == (409, "not_connected", "reconnecting")
    memory.be("c1", "connected", "connected")
    memory.next_status, memory.next_error = "failed", "not_connected"
    answer = await client.post(SEND, json=TEXT)
    body = await answer.json()
    assert (answer.status, body["reason"], uuid.UUID(body["messageId"]).version) == (409, "connected", 4)


async def test_not_connected_and_gone(client: Any, memory: Any) -> None:
    """The refusal stands when nobody can say the reason any more."""
    memory.fault = NotConnected()
    answer = await client.post(SEND, json=TEXT)
    assert (answer.status, "reason" in await answer.json()) == (409, False)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("not_on_whatsapp", 422),
        ("rejected", 502),
        ("engine", 502),
        (None, 502),
        ("worker_gone", 503),
        ("timed_out", 504),
        ("not_begun", 504),
        ("no_keys", 503),
    ],
)
async def test_certainly_failed(client: Any, memory: Any, error: str | None, status: int) -> None:
    """Each way has its status; the id is told, for it was written down."""
    memory.next_status, memory.next_error = "failed", error
    answer = await client.post(SEND, json=TEXT)
    body = await answer.json()
    assert (answer.status, body["code"]) == (status, error or "engine")
    assert body["messageId"] in memory.sent
    assert (body.get("errors", [{}])[0].get("field") == "body.to") is (error == "not_on_whatsapp")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (refusals.NotOnWhatsApp(), 422, "not_on_whatsapp"),
        (refusals.InProgress(), 409, "in_progress"),
        (DiskFull(), 507, "disk_full"),
        (refusals.UnknownConnection(), 404, "unknown_connection"),
    ],
)
async def test_refused(client: Any, memory: Any, fault: Exception, status: int, code: str) -> None:
    """Before anything is sent."""
    memory.fault = fault
    answer = await client.post(SEND, json=TEXT)
    assert (answer.status, (await answer.json())["code"]) == (status, code)


@pytest.mark.parametrize(
    "to", ["ring me", "x@y", "190", "@s.whatsapp.net", "5511999999999@s.whatsapp.net.evil.example"]
)
async def test_no_address(client: Any, to: str) -> None:
    """The field is named, with how to write it."""
    answer = await client.post(SEND, json={**TEXT, "to": to})
    body = await answer.json()
    assert (answer.status, body["code"], body["errors"][0]["field"]) == (422, "not_an_address", "body.to")
    assert "for example" in body["detail"]


async def test_messages_that_are_not_there(client: Any) -> None:
    """An id that is none is named; one that nobody has is 404."""
    assert (await client.get(f"{BASE}/messages/by-id/{uuid.uuid4()}")).status == 404
    odd = await client.get(f"{BASE}/messages/by-id/17")
    assert (odd.status, (await odd.json())["errors"][0]["field"]) == (422, "path.messageId")


async def test_the_messages_of_an_atendimento(client: Any, memory: Any) -> None:
    """Rows as the table has them."""
    there = memory.with_atendimento()
    answer = await client.get(f"{BASE}/messages/{there.id}", params={"limit": "10", "offset": "0"})
    body = await answer.json()
    assert (answer.status, body["total"], memory.asked[-1]) == (200, 1, ("messages", there.id, 10, 0))
    assert set(body["items"][0]) == {
        "id", "owner_id", "atendimento_id", "conteudo", "tipo", "remetente", "timestamp", "lida", "midia_url",
        "midia_tipo", "midia_nome", "midia_tamanho", "wa_message_id", "status",
    }  # fmt: skip
    assert (await client.get(f"{BASE}/messages/{uuid.uuid4()}")).status == 404


async def test_the_open_atendimentos(client: Any, memory: Any) -> None:
    """Rows as the table has them, with their connection."""
    memory.with_atendimento()
    answer = await client.get(
        f"{BASE}/atendimentos/active", params={"ownerId": "user-1", "companyId": "k", "connectionId": "c1"}
    )
    body = await answer.json()
    assert (answer.status, body["total"]) == (200, 1)
    assert memory.asked[-1] == ("active", "user-1", "k", "c1", 50, 0)
    assert set(body["items"][0]) == {
        "id", "owner_id", "company_id", "connection_id", "numero_cliente", "nome_cliente", "status", "data_inicio",
        "data_fim", "ultima_mensagem", "atendente_id", "prioridade", "tags", "observacoes", "canal",
    }  # fmt: skip


@pytest.mark.parametrize("status", ["AGUARDANDO", "EM_ATENDIMENTO", "FINALIZADO", "CANCELADO"])
async def test_a_status_is_changed(client: Any, memory: Any, status: str) -> None:
    """To each of the four words, and no other."""
    there = memory.with_atendimento()
    answer = await client.patch(f"{BASE}/atendimentos/{there.id}", json={"status": status})
    assert (answer.status, (await answer.json())["status"]) == (200, status)
    refused = await client.patch(f"{BASE}/atendimentos/{there.id}", json={"status": status.lower()})
    assert (refused.status, (await refused.json())["errors"][0]["field"]) == (422, "body.status")
    assert (await client.patch(f"{BASE}/atendimentos/{uuid.uuid4()}", json={"status": status})).status == 404


async def test_the_database_is_away(client: Any, memory: Any) -> None:
    """What only it can answer waits, and says so."""
    memory.fault = refusals.RecordAway()
    some = uuid.uuid4()
    for answer in (
        await client.get(f"{BASE}/atendimentos/active"),
        await client.get(f"{BASE}/messages/{some}"),
        await client.patch(f"{BASE}/atendimentos/{some}", json={"status": "FINALIZADO"}),
    ):
        assert (answer.status, (await answer.json())["code"]) == (503, "record_away")
        assert answer.headers["Retry-After"] == "5"


async def test_another_open_one(client: Any, memory: Any) -> None:
    """A finished atendimento is not opened beside an open one."""
    memory.fault = refusals.AtendimentoConflict()
    answer = await client.patch(f"{BASE}/atendimentos/{uuid.uuid4()}", json={"status": "AGUARDANDO"})
    assert (answer.status, (await answer.json())["errors"][0]["field"]) == (409, "body.status")
