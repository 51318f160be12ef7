"""Connections over HTTP: made once, listed, linked, removed."""

from __future__ import annotations

import base64
import errno
from typing import Any
from urllib.parse import quote

import pytest
import qr_reader

from connector.spool.errors import SpoolError, SpoolFull
from sessions import errors

BASE = "/api/whatsapp-integration/connections"
NEW = {"connectionId": "c1", "name": "Conexão Principal", "ownerId": "user-1", "companyId": "company-1"}
WHOLE = {
    "connectionId", "name", "ownerId", "companyId", "status", "reason", "message", "phone", "jid", "lid", "connectedAt",
    "disconnectedAt", "lastEventAt", "createdAt", "lab",
}  # fmt: skip


@pytest.fixture
async def made(client: Any) -> Any:
    """Have one connection."""
    return await client.post(BASE, json=NEW)


async def test_made_once(client: Any) -> None:
    """The same again is the same; another under its name is refused."""
    first = await client.post(BASE, json=NEW)
    body = await first.json()
    assert (first.status, set(body)) == (201, WHOLE)
    assert {name: body[name] for name in NEW} == NEW
    assert (body["status"], body["reason"], body["phone"], body["createdAt"]) == (
        "disconnected",
        "never_paired",
        None,
        "2026-01-02T03:04:05Z",
    )
    again = await client.post(BASE, json=NEW)
    assert (again.status, await again.json()) == (200, body)
    other = await client.post(BASE, json={**NEW, "ownerId": "user-2"})
    problem = await other.json()
    assert (other.status, problem["code"], problem["errors"][0]["field"]) == (
        409,
        "connection_exists",
        "body.connectionId",
    )


async def test_a_company_may_be_left_out(client: Any) -> None:
    """Also as null."""
    for number, company in enumerate(({}, {"companyId": None})):
        body = {"connectionId": f"c{number}", "name": "n", "ownerId": "o", **company}
        answer = await client.post(BASE, json=body)
        assert (answer.status, (await answer.json())["companyId"]) == (201, None)


@pytest.mark.usefixtures("made")
async def test_listed_and_found(client: Any, memory: Any) -> None:
    """With the filters and the part that was asked for."""
    listed = await (await client.get(BASE)).json()
    assert (listed["total"], [one["connectionId"] for one in listed["items"]]) == (1, ["c1"])
    empty = await (
        await client.get(BASE, params={"ownerId": "x", "companyId": "y", "status": "error", "limit": 500, "offset": 3})
    ).json()
    assert empty == {"items": [], "total": 0}
    assert memory.asked[-1] == ("list", "x", "y", "error", 500, 3)
    one = await client.get(f"{BASE}/c1")
    assert (one.status, set(await one.json())) == (200, WHOLE)


@pytest.mark.parametrize(
    ("method", "rest"),
    [("GET", ""), ("DELETE", ""), ("POST", "/restart"), ("POST", "/logout"), ("GET", "/qr"), ("POST", "/pairing-code")],
)
async def test_one_that_is_not_there(client: Any, method: str, rest: str) -> None:
    """Is 404, whatever is asked of it."""
    body = {"phone": "+55 11 98765-4321"} if rest == "/pairing-code" else None
    answer = await client.request(method, f"{BASE}/nobody{rest}", json=body)
    assert (answer.status, (await answer.json())["code"]) == (404, "unknown_connection")


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("linked", [False, True])
async def test_unlinked_and_removed(client: Any, memory: Any, linked: bool) -> None:
    """A phone that could not be told keeps listing the device: the caller is told what to do."""
    memory.linked = linked
    for answer in (await client.post(f"{BASE}/c1/logout"), await client.delete(f"{BASE}/c1")):
        body = await answer.json()
        assert (answer.status, body["connectionId"], body["linkedOnPhone"]) == (200, "c1", linked)
        assert ("Linked devices" in body["message"]) is linked
    assert (await client.get(f"{BASE}/c1")).status == 404


@pytest.mark.usefixtures("made")
async def test_restarted(client: Any, memory: Any) -> None:
    """Only with credentials."""
    refused = await client.post(f"{BASE}/c1/restart")
    assert (refused.status, (await refused.json())["code"]) == (409, "not_connected")
    memory.be("c1", "disconnected", "stopped")
    answer = await client.post(f"{BASE}/c1/restart")
    assert (answer.status, (await answer.json())["status"]) == (200, "connecting")


@pytest.mark.usefixtures("made")
async def test_a_code_to_scan(client: Any, memory: Any) -> None:
    """As JSON with its picture, or as the picture alone; nobody keeps it on the way."""
    answer = await client.get(f"{BASE}/c1/qr")
    body = await answer.json()
    assert (answer.status, set(body)) == (200, {"code", "image", "expiresAt", "attempt"})
    assert (body["code"], body["expiresAt"], body["attempt"]) == ("2@made,up,code", "2026-01-02T03:04:05Z", 1)
    head, _, picture = body["image"].partition(",")
    assert head == "data:image/png;base64"
    assert memory.asked[-1] == ("qr", "c1", 20.0)
    alone = await client.get(f"{BASE}/c1/qr", params={"format": "png", "wait": "0.5"})
    assert (alone.content_type, await alone.read()) == ("image/png", base64.b64decode(picture))
    assert memory.asked[-1] == ("qr", "c1", 0.5)
    for form, media in (("svg", "image/svg+xml"), ("terminal", "text/plain")):
        drawn = await client.get(f"{BASE}/c1/qr", params={"format": form})
        assert (drawn.status, drawn.content_type, drawn.charset) == (200, media, "utf-8")
        assert drawn.headers["Cache-Control"] == "no-store"
        read = {"svg": qr_reader.from_svg, "terminal": qr_reader.from_terminal}[form]
        assert read(await drawn.text()) == "2@made,up,code"
    assert {answer.headers["Cache-Control"], alone.headers["Cache-Control"]} == {"no-store"}


@pytest.mark.usefixtures("made")
async def test_a_code_to_type(client: Any, memory: Any) -> None:
    """For a phone's number in any writing; a wrong one names the field."""
    answer = await client.post(f"{BASE}/c1/pairing-code", json={"phone": "(11) 98765-4321"})
    assert (answer.status, await answer.json()) == (200, {"code": "ABCD-EFGH", "expiresAt": "2026-01-02T03:04:05Z"})
    assert memory.asked[-1] == ("pairing_code", "c1", "5511987654321")
    wrong = await client.post(f"{BASE}/c1/pairing-code", json={"phone": "ring me"})
    assert (wrong.status, (await wrong.json())["errors"][0]["field"]) == (422, "body.phone")


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("fault", "status", "code", "retry"),
    [
        (errors.AlreadyConnected(), 409, "already_connected", None),
        (errors.PairingEnded(), 410, "pairing_ended", None),
        (errors.Busy(), 429, "busy", "5"),
        (errors.EngineRefused(), 502, "refused", None),
        (errors.WorkerGone(), 503, "worker_gone", "2"),
        (errors.Locked(), 503, "locked", "5"),
        (TimeoutError(), 504, "deadline", None),
        (errors.Deadline(), 504, "deadline", None),
        (errors.DiskFull(), 507, "disk_full", None),
        (errors.UnknownSession(), 404, "unknown_session", None),
        (errors.FixUs("the inside of 5511987654321"), 500, "bug", None),
        (errors.SessionsError(), 500, "error", None),
        (SpoolFull("inside"), 507, "disk_full", None),
        (SpoolError("inside"), 503, "wait", "5"),
        (OSError(errno.ENOSPC, "inside"), 507, "disk_full", None),
        (OSError(errno.EIO, "inside of 5511987654321"), 500, "bug", None),
    ],
)
async def test_what_can_go_wrong_has_one_answer(
    client: Any, memory: Any, fault: Exception, status: int, code: str, retry: str | None
) -> None:
    """Status, code, a sentence, when to ask again; nothing of the inside."""
    memory.fault = fault
    for answer in (
        await client.get(f"{BASE}/c1/qr"),
        await client.post(f"{BASE}/c1/pairing-code", json={"phone": "+5511987654321"}),
    ):
        body = await answer.json()
        assert (answer.status, body["code"], answer.headers.get("Retry-After")) == (status, code, retry)
        assert body["detail"].endswith(".")
        assert "5511987654321" not in body["detail"]
        assert "inside" not in body["detail"]


@pytest.mark.parametrize(
    "name", ["a b", "ü", "a" * 65, "x\n", "a%00", "..%2f..%2fetc", "a\\b", "<b>", "%2e%2e%2f", "a/../../b/..", "é" * 70]
)
async def test_paths_that_play_tricks_reach_nothing(client: Any, memory: Any, name: str) -> None:
    """No name of that kind ever comes to the service."""
    path = name if "%" in name else quote(name, safe="/")
    answer = await client.get(f"{BASE}/{path}/qr")
    body = await answer.json()
    assert answer.status in (404, 422)
    assert answer.status == 404 or body["errors"][0]["field"] == "path.connectionId"
    assert memory.asked == []


async def test_what_is_known_of_it(client: Any, made: Any) -> None:
    """Every fact by itself, and the state that follows from them."""
    said = await (await client.get(f"{BASE}/c1/truth")).json()
    assert (said["connectionId"], said["reason"], said["since"]) == ("c1", "never_paired", "2026-01-02T03:04:05Z")
    assert said["session"] == "11111111-1111-4111-8111-111111111111"
    assert (said["worker"], said["workerAlive"], said["socket"], said["loggedIn"]) == ("w1", True, True, False)
    assert (said["asOfSeconds"], said["heardSeconds"], said["eventSeconds"]) == (1.5, 0.5, None)
    assert (await client.get(f"{BASE}/other/truth")).status == 404
