"""The book over HTTP: who did what, a page at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from connector.api.audit import Book
from connector.api.health import Health
from connector.api.server import make_app
from connector.audit import Audit

KEY = "planted-key"
BOOK = "/api/whatsapp-bootstrap/audit"


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    times = iter(range(1, 100))
    return Audit(tmp_path, clock=lambda: 1_800_000_000.1234567 + next(times))


@pytest.fixture
async def client(audit: Audit) -> Any:
    app = make_app(key=KEY, health_of=Health(lab=True, sessions=lambda: 0), resources=[Book(audit)])
    async with TestClient(TestServer(app), headers={"X-API-KEY": KEY}) as made:
        yield made


async def test_what_was_done_a_page_at_a_time(client: Any, audit: Audit) -> None:
    """The newest first; the id of the last one seen leads to those before it, without a gap and none twice."""
    audit.note("watchdog", "reconnect", "loja", "It is silent.", done=False)
    for number in range(6):
        audit.by_operator("discard", "webhook", f"dead letter {number}: No.")
    seen: list[dict[str, Any]] = []
    query = "limit=2"
    while page := (await (await client.get(f"{BOOK}?{query}")).json())["items"]:
        seen += page
        query = f"limit=2&before={page[-1]['id']}"
    assert [one["why"] for one in seen] == [*(f"dead letter {5 - n}: No." for n in range(6)), "It is silent."]
    newest, oldest = seen[0], seen[-1]
    assert (newest["actor"], newest["action"], newest["about"], newest["done"]) == (
        "operator",
        "discard",
        "webhook",
        True,
    )
    assert (oldest["actor"], oldest["about"], oldest["done"]) == ("watchdog", "loja", False)
    assert oldest["at"] == "2027-01-15T08:00:01.123457Z"


async def test_an_empty_book_and_a_bad_question(client: Any) -> None:
    """Nothing was done yet; what is no number is refused."""
    assert await (await client.get(BOOK)).json() == {"items": []}
    for query in ("limit=0", "before=yesterday", "before=-1", "after=1"):
        assert (await client.get(f"{BOOK}?{query}")).status == 422, query
    assert (await client.get(BOOK, headers={"X-API-KEY": "x"})).status == 401
