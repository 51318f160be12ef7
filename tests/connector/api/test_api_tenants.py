"""A backend that knows tenants only starts a session, shows its code, asks how it is, sends, ends it."""

from __future__ import annotations

from typing import Any

import pytest

from connector.views import ConnectionIn, SendIn
from sessions import errors

SHAPE = {"tenantId", "status", "qrCode", "expiresAt"}
START = {"tenantId": "acme"}


async def test_the_first_start_shows_a_code(client: Any, memory: Any) -> None:
    """A picture to show, and until when; asked again, the same session."""
    for _ in range(2):
        answer = await client.post("/sessions/start", json=START)
        body = await answer.json()
        assert (answer.status, set(body)) == (200, SHAPE)
        assert (body["tenantId"], body["status"], body["expiresAt"]) == ("acme", "connecting", "2026-01-02T03:04:05Z")
        assert body["qrCode"].startswith("data:image/png;base64,iVBOR")
        assert answer.headers["Cache-Control"] == "no-store"
    assert [what for what in memory.asked if what[0] == "create"] == [("create", ConnectionIn("acme", "acme", "acme"))]
    assert ("qr", "acme", 20.0) in memory.asked


async def test_a_connection_made_elsewhere_is_the_tenants(client: Any, memory: Any) -> None:
    """Both ways of asking meet the same session."""
    new = {"connectionId": "acme", "name": "other name", "ownerId": "user-1"}
    await client.post("/api/whatsapp-integration/connections", json=new)
    assert (await client.post("/sessions/start", json=START)).status == 200
    assert memory.views["acme"].owner_id == "user-1"


async def test_how_it_is(client: Any, memory: Any) -> None:
    """With the code while one is shown, without once a phone is linked."""
    assert (await client.get("/sessions/acme/status")).status == 404
    await client.post("/sessions/start", json=START)
    shown = await (await client.get("/sessions/acme/status")).json()
    assert (set(shown), shown["status"], shown["qrCode"][:10]) == (SHAPE, "connecting", "data:image")
    memory.be("acme", "connected", "connected")
    linked = {"tenantId": "acme", "status": "connected", "qrCode": None, "expiresAt": None}
    assert await (await client.get("/sessions/acme/status")).json() == linked
    assert await (await client.post("/sessions/start", json=START)).json() == linked


async def test_a_status_begins_no_pairing(client: Any, memory: Any) -> None:
    """Looking is not asking for a code."""
    await client.post(
        "/api/whatsapp-integration/connections", json={"connectionId": "acme", "name": "n", "ownerId": "o"}
    )
    body = await (await client.get("/sessions/acme/status")).json()
    assert (body["status"], body["qrCode"]) == ("disconnected", None)
    assert [what for what in memory.asked if what[0] == "qr"] == []


@pytest.mark.parametrize("reason", ["stopped", "replaced", "crash_loop"])
async def test_one_that_waits_for_somebody_connects_again(client: Any, memory: Any, reason: str) -> None:
    """Its phone is linked still: nothing has to be scanned."""
    await client.post("/sessions/start", json=START)
    memory.be("acme", "disconnected", reason)
    body = await (await client.post("/sessions/start", json=START)).json()
    assert (body["status"], body["qrCode"]) == ("connecting", None)
    assert ("restart", "acme") in memory.asked


@pytest.mark.parametrize("fault", [errors.AlreadyConnected(), TimeoutError()])
async def test_no_code_is_no_failure(
    client: Any, memory: Any, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """A session that connects meanwhile, or a code that is late: the status says which, the next question has the code."""

    async def none(_connection_id: str, _wait_s: float) -> Any:
        raise fault

    monkeypatch.setattr(memory, "qr", none)
    answer = await client.post("/sessions/start", json=START)
    assert (answer.status, (await answer.json())["qrCode"]) == (200, None)


async def test_a_pairing_that_ended(client: Any, memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is said, with what to do."""

    async def ended(_connection_id: str, _wait_s: float) -> Any:
        raise errors.PairingEnded

    monkeypatch.setattr(memory, "qr", ended)
    answer = await client.post("/sessions/start", json=START)
    assert (answer.status, (await answer.json())["code"]) == (410, "pairing_ended")
    memory.be("acme", "connecting", "waiting_scan")
    status = await client.get("/sessions/acme/status")
    assert (status.status, (await status.json())["qrCode"]) == (200, None)


@pytest.mark.parametrize("linked", [False, True])
async def test_ended(client: Any, memory: Any, linked: bool) -> None:
    """And gone; another start is a new one."""
    memory.linked = linked
    await client.post("/sessions/start", json=START)
    answer = await client.delete("/sessions/acme")
    body = await answer.json()
    assert (answer.status, set(body)) == (200, SHAPE | {"linkedOnPhone"})
    assert (body["status"], body["linkedOnPhone"]) == ("disconnected", linked)
    assert (await client.delete("/sessions/acme")).status == 404


async def test_a_tenant_sends(client: Any, memory: Any) -> None:
    """As every other caller does, keys included."""
    await client.post("/sessions/start", json=START)
    text = {"tenantId": "acme", "to": "11 98765-4321", "content": "oi", "type": "text"}
    refused = await client.post("/message/send", json=text)
    assert (refused.status, (await refused.json())["reason"]) == (409, "waiting_scan")
    memory.be("acme", "connected", "connected")
    answer = await client.post("/message/send", json=text, headers={"Idempotency-Key": "k"})
    assert (answer.status, (await answer.json())["status"]) == (201, "sent")
    assert memory.asked[-1] == ("send", SendIn("acme", "11 98765-4321", "oi", idempotency_key="k"))
    assert (await client.post("/message/send", json={**text, "tenantId": "nobody"})).status == 404


async def test_a_word_of_ours_is_no_tenant(client: Any) -> None:
    """The address /sessions/start takes POST alone."""
    answer = await client.delete("/sessions/start")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
