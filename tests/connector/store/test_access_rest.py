"""Who sees what over Supabase's own interface, with the tokens that it gives to people: each owner and each company apart."""

from __future__ import annotations

import base64
import hmac
import time
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import msgspec
import pytest
from ways import Way

from benchmarks.lite import JWT_SECRET, PUBLISHABLE_KEY, SECRET_KEY, Lite
from connector.facts import ConnectionRef

pytestmark = pytest.mark.parametrize("way", [Way.REST], indirect=True)

COMPANY, OTHER_COMPANY = str(uuid.uuid4()), str(uuid.uuid4())
OPEN = (
    "whatsapp_sessions",
    "whatsapp_contacts",
    "whatsapp_contact_aliases",
    "whatsapp_atendimentos",
    "whatsapp_mensagens",
)
CLOSED = "whatsapp_pending_receipts"


def signed(claims: dict[str, Any], secret: str) -> str:
    """Answer a token (JWT, HS256) as Supabase's sign-in gives it."""
    words = [base64url(msgspec.json.encode(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    return ".".join([*words, base64url(hmac.digest(secret.encode(), ".".join(words).encode(), "sha256"))])


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Browser:
    """Asks as a CRM's page does: with the key that everybody may see, and the token of who is signed in."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str | None) -> None:
        self._http = http
        self._url = f"{url}/rest/v1"
        self._headers = {"apikey": PUBLISHABLE_KEY, "Prefer": "return=representation"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self._http.request(method, f"{self._url}/{path}", json=body, headers=self._headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def column(self, table: str, column: str) -> set[str]:
        status, rows = await self.ask("GET", f"{table}?select={column}")
        assert status == 200, rows
        return {row[column] for row in rows}


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        yield http


@pytest.fixture
def browser(http: aiohttp.ClientSession, lite: Lite):
    """Answer somebody's browser: *sub* is who they are, *company* what their administrator wrote into their account."""

    def browser(
        sub: str | None = None, company: str | None = None, *, secret: str = JWT_SECRET, **claims: Any
    ) -> Browser:
        if sub is None:
            return Browser(http, lite.url, None)
        now = int(time.time())
        told = {"sub": sub, "role": "authenticated", "aud": "authenticated", "iat": now, "exp": now + 600, **claims}
        if company:
            told["app_metadata"] = {"company_id": company}
        return Browser(http, lite.url, signed(told, secret))

    return browser


@pytest.fixture
async def owners(teller) -> list[str]:
    """Fill every table for two owners of two companies; answer them."""
    other = type(teller)(teller.store)
    for one, company in ((teller, COMPANY), (other, OTHER_COMPANY)):
        one.ref = ConnectionRef(one.ref.id, one.ref.session, "x", one.ref.owner_id, company)
        await one.tell(one.state("connected"), one.came("A"), one.receipt("read", "not-yet"))
    return [teller.ref.owner_id, other.ref.owner_id]


async def test_an_owner_sees_what_is_theirs(browser, owners: list[str]) -> None:
    for owner in owners:
        for table in OPEN:
            assert await browser(owner).column(table, "owner_id") == {owner}, table


async def test_a_colleague_sees_what_is_the_companys_and_no_other(browser, owners: list[str]) -> None:
    colleague = browser(str(uuid.uuid4()), COMPANY)
    for table in OPEN:
        assert await colleague.column(table, "company_id") == {COMPANY}, table


async def test_a_company_that_a_person_gives_themselves_counts_for_nothing(browser, owners: list[str]) -> None:
    """`user_metadata` is the user's own to write; `app_metadata` is not."""
    boaster = browser(str(uuid.uuid4()), user_metadata={"company_id": COMPANY}, company_id=COMPANY)
    for table in OPEN:
        assert await boaster.column(table, "owner_id") == set(), table


async def test_without_signing_in_nothing_is_seen_and_nothing_can_be_called(browser, owners: list[str], sql) -> None:
    nobody = browser()
    for table in (*OPEN, CLOSED):
        status, said = await nobody.ask("GET", f"{table}?select=*")
        assert (status, said["code"]) == (401, "42501"), table
    for person in (nobody, browser(owners[0])):
        for name, arguments in await callable_functions(sql):
            status, said = await person.ask("POST", f"rpc/{name}", arguments)
            assert (status in (401, 403, 404), said["code"] in ("42501", "PGRST202")) == (True, True), (name, said)
    assert await sql.fetchval("select count(*) from whatsapp_mensagens") == 2


async def callable_functions(sql) -> list[tuple[str, dict[str, Any]]]:
    """Answer every function of ours with arguments of its types that would do, were it allowed."""
    fitting = {"uuid": str(uuid.uuid4()), "jsonb[]": [], "text[]": [], "jsonb": {}, "integer": 1, "boolean": True}
    rows = await sql.fetch(
        "select proname::text, proargnames::text[], array(select format_type(t, null) from unnest(proargtypes) t) "
        "from pg_proc where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype"
    )
    assert len(rows) > 10
    return [
        (name, {word: fitting.get(kind, "now") for word, kind in zip(words or [], kinds, strict=False)})
        for name, words, kinds in rows
    ]


async def test_a_signed_in_person_changes_little_and_only_theirs(browser, owners: list[str], sql) -> None:
    me = browser(owners[0])
    status, changed = await me.ask("PATCH", "whatsapp_atendimentos?status=eq.AGUARDANDO", {"status": "FINALIZADO"})
    assert status == 200
    assert [row["owner_id"] for row in changed] == [owners[0]]
    for method, path, body in (
        ("PATCH", "whatsapp_atendimentos?status=neq.x", {"owner_id": owners[1]}),
        ("PATCH", "whatsapp_mensagens?remetente=eq.CLIENTE", {"conteudo": "outra coisa"}),
        ("POST", "whatsapp_mensagens", {"id": str(uuid.uuid4()), "owner_id": owners[0]}),
        ("DELETE", "whatsapp_mensagens?remetente=eq.CLIENTE", None),
    ):
        status, said = await me.ask(method, path, body)
        assert (status, said["code"]) == (403, "42501"), (method, path)
    ended = await sql.fetch("select owner_id from whatsapp_atendimentos where data_fim is not null")
    assert [row[0] for row in ended] == [owners[0]]
    assert await sql.fetchval("select count(*) from whatsapp_mensagens where conteudo = 'Olá'") == 2


async def test_a_token_that_nobody_signed_lets_nobody_in(browser, owners: list[str]) -> None:
    for forged in (browser(owners[0], secret="x" * 40), browser(owners[0], exp=int(time.time()) - 60)):
        status, _ = await forged.ask("GET", "whatsapp_mensagens?select=id")
        assert status == 401


async def test_the_services_own_key_sees_everybody(http: aiohttp.ClientSession, lite: Lite, owners: list[str]) -> None:
    headers = {"apikey": SECRET_KEY}
    async with http.get(f"{lite.url}/rest/v1/whatsapp_mensagens?select=owner_id", headers=headers) as answer:
        assert {row["owner_id"] for row in await answer.json()} == set(owners)
