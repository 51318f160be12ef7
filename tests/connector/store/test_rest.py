"""The way over REST: what is sent, what is believed, and what is not tried again."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from as_supabase import over, restore_rights
from ways import Way

from benchmarks.lite import PUBLISHABLE_KEY, Lite
from connector.settings import SupabaseSettings
from connector.store import causes, rest
from connector.store.errors import Misconfigured, Offline, Rejected
from connector.store.rest import Rest
from connector.store.store import Store
from lab import tls

SECRET = "sb_secret_0123456789"  # noqa: S105 - of nothing
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def jwt(role: str) -> str:
    """Answer a key as older projects have them."""
    parts = ({"alg": "HS256"}, {"role": role, "iss": "supabase"})
    return ".".join(
        [*(base64.urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts), "c2ln"]
    )


def rows(*values: Any) -> web.Response:
    """Answer as PostgREST does."""
    return web.json_response(values, headers={"Content-Range": f"0-{len(values) - 1}/*"})


@dataclass
class Endpoint:
    """Plays Supabase, a proxy, or whatever else may answer; remembers what it was asked."""

    answer: Handler
    url: str = ""
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        return await self.answer(request)


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of this machine is for others."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
async def endpoint() -> AsyncGenerator[Endpoint]:
    async def empty(_request: web.Request) -> web.Response:
        return rows()

    async for made in served(Endpoint(empty)):
        yield made


async def served(endpoint: Endpoint, context: ssl.SSLContext | None = None) -> AsyncGenerator[Endpoint]:
    app = web.Application(client_max_size=50_000_000)
    app.router.add_route("*", "/{path:.*}", endpoint.take)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    endpoint.url = f"http{'s' if context else ''}://localhost:{runner.addresses[0][1]}"
    yield endpoint
    await runner.cleanup()


@pytest.fixture
async def caller(endpoint: Endpoint) -> AsyncGenerator[Rest]:
    made = Rest(SupabaseSettings(endpoint.url, SECRET))
    yield made
    await made.close()


@pytest.mark.parametrize("key", [SECRET, jwt("service_role")])
async def test_both_kinds_of_key_go_where_supabase_looks_for_them(endpoint: Endpoint, key: str) -> None:
    way = Rest(SupabaseSettings(endpoint.url, key))
    assert await way.call("vigia_record", facts=[]) == []
    await way.close()
    (request,) = endpoint.requests
    assert (request.method, request.path) == ("POST", "/rest/v1/rpc/vigia_record")
    assert request.headers["apikey"] == key
    assert request.headers["Authorization"] == f"Bearer {key}"
    assert key not in repr(way._project)


async def test_facts_are_sent_as_postgrest_hands_them_on(endpoint: Endpoint, caller: Rest, sql, teller) -> None:
    """PostgREST makes an argument of what `json_to_record` makes of the body: a text would become a JSON string."""
    facts = [teller.came("A", "1 \\u0000 'x' \U0001f600"), teller.state("connected")]
    await caller.call("vigia_record", facts=[msgspec.json.encode(fact).decode() for fact in facts])
    handed = await sql.fetchval(
        "select to_jsonb(facts)::text from json_to_record($1::json) as _ (facts jsonb[])", endpoint.bodies[0].decode()
    )
    assert msgspec.json.decode(handed) == facts


async def test_one_value_is_one_row_and_null_is_one_too(endpoint: Endpoint, caller: Rest) -> None:
    said: list[Any] = [{"items": [], "total": 0}, None, "read"]

    async def next_one(_request: web.Request) -> web.Response:
        return web.json_response(said[len(endpoint.requests) - 1], headers={"Content-Range": "0-0/*"})

    endpoint.answer = next_one
    for value in said:
        assert await caller.call("vigia_message", message="x") == [value]


async def test_a_long_batch_is_sent_in_order_in_parts_that_a_gateway_takes(endpoint: Endpoint, caller: Rest) -> None:
    async def echo(request: web.Request) -> web.Response:
        return rows(*(fact["n"] for fact in (await request.json())["facts"]))

    endpoint.answer = echo
    facts = [f'{{"n": {n}, "text": "{"x" * 65_000 if n % 20 == 0 else ""}"}}' for n in range(1200)]
    assert await caller.call("vigia_record", facts=facts) == list(range(1200))
    assert len(endpoint.bodies) >= 4
    assert max(map(len, endpoint.bodies)) < rest.MOST_BYTES * 1.1
    assert all(len(msgspec.json.decode(body)["facts"]) <= rest.MOST_ROWS for body in endpoint.bodies)


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "says"),
    [
        (200, "<html>Entre na rede</html>", {"Content-Type": "text/html"}, Offline, causes.NO_POSTGREST),
        (200, "[]", {"Content-Type": "application/json"}, Offline, causes.NO_POSTGREST),
        (200, "[]", {"Content-Type": "text/html", "Content-Range": "*/*"}, Offline, causes.NO_POSTGREST),
        (204, "", {"Content-Range": "*/*"}, Offline, causes.NO_POSTGREST),
        (302, "", {"Location": "http://127.0.0.1:1/login"}, Offline, causes.NO_POSTGREST),
        (301, "", {"Location": "http://127.0.0.1:1/"}, Misconfigured, causes.ELSEWHERE),
        (401, '{"message": "Invalid API key"}', {"Content-Type": "application/json"}, Misconfigured, causes.WRONG_KEY),
        (404, "", {}, Offline, causes.NO_POSTGREST),
        (404, '{"code": "PGRST202"}', {"Content-Type": "application/json"}, Misconfigured, causes.NO_SCHEMA),
        (400, '{"code": "22P02", "details": "segredo"}', {"Content-Type": "application/json"}, Rejected, "22P02"),
        (400, '{"code": 7}', {"Content-Type": "application/json"}, Offline, causes.NO_POSTGREST),
        (429, "[", {"Content-Type": "application/json", "Retry-After": "7"}, Offline, causes.BUSY),
        (503, "<html>", {"Content-Type": "text/html"}, Offline, causes.BUSY),
        (540, "{}", {"Content-Type": "application/json"}, Misconfigured, causes.PAUSED),
    ],
)
async def test_only_supabases_own_answer_is_believed_and_nothing_is_tried_twice(
    endpoint: Endpoint, caller: Rest, status: int, body: str, headers: dict[str, str], kind: type[Exception], says: str
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body.encode(), headers=headers)

    endpoint.answer = answer
    with pytest.raises(kind) as told:
        await caller.call("vigia_record", facts=[])
    assert says.partition(": ")[0] in str(told.value)
    assert len(endpoint.requests) == 1
    assert "segredo" not in str(told.value)
    if status == 429:
        assert isinstance(told.value, Offline)
        assert told.value.retry_after_s == 7


async def test_who_is_away_hangs_or_trickles_is_offline(
    endpoint: Endpoint, caller: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def trickle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Range": "*/*"})
        await answer.prepare(request)
        while True:
            await answer.write(b" ")
            await asyncio.sleep(0.01)

    async def break_off(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response()

    monkeypatch.setattr(rest, "READ_S", 0.3)
    monkeypatch.setattr(rest, "WHOLE_S", 0.6)
    for answer in (hang, trickle, break_off):
        endpoint.answer = answer
        with pytest.raises(Offline, match="cannot be reached"):
            await caller.call("vigia_schema")
    nobody = Rest(SupabaseSettings("http://127.0.0.1:1", SECRET))
    with pytest.raises(Offline, match="cannot be reached"):
        await nobody.call("vigia_schema")
    await nobody.close()
    await nobody.close()


async def test_connections_are_kept_and_made_anew(endpoint: Endpoint, caller: Rest) -> None:
    for _ in range(3):
        await caller.call("vigia_record", facts=[])
    peers = {request.transport and request.transport.get_extra_info("peername") for request in endpoint.requests}
    assert len(peers) == 1

    async def last(_request: web.Request) -> web.Response:
        answer = rows()
        answer.force_close()
        return answer

    endpoint.answer = last
    for _ in range(3):
        assert await caller.call("vigia_record", facts=[]) == []


async def test_a_certificate_is_trusted_when_somebody_vouches_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def empty(_request: web.Request) -> web.Response:
        return rows()

    files = tls.ensure(tmp_path)
    async for endpoint in served(Endpoint(empty), files.context()):
        stranger, trusting = (Rest(SupabaseSettings(endpoint.url, SECRET)) for _ in range(2))
        with pytest.raises(Misconfigured, match="certificate under SUPABASE_URL"):
            await stranger.call("vigia_schema")
        monkeypatch.setenv("SSL_CERT_FILE", str(files.ca))
        assert await trusting.call("vigia_record", facts=[]) == []
        await stranger.close()
        await trusting.close()


async def test_an_address_that_is_none_is_for_a_person_to_mend() -> None:
    for url in ("ftp://example.com", "https://"):
        way = Rest(SupabaseSettings(url, SECRET))
        with pytest.raises(Misconfigured, match="Project URL"):
            await way.call("vigia_schema")
        await way.close()


async def test_our_own_mistakes_stay_what_they_are() -> None:
    with pytest.raises(KeyError):
        rest.classify(KeyError())


async def test_what_lets_us_in_is_known_without_any_table(endpoint: Endpoint, caller: Rest) -> None:
    said = [(404, "PGRST202"), (403, "42501"), (401, "PGRST301"), (401, None)]

    async def refuse(_request: web.Request) -> web.Response:
        status, code = said[len(endpoint.requests) - 1]
        return web.json_response({"code": code}, status=status)

    endpoint.answer = refuse
    assert await caller.greet() == await caller.greet() == "Supabase over REST"
    for _ in range(2):
        with pytest.raises(Misconfigured, match="refuses the key"):
            await caller.greet()


async def test_answers_that_are_cut_short_are_told(endpoint: Endpoint, caller: Rest) -> None:
    """A project may be set to answer fewer rows than we write: they are written, and every one after them would be a guess."""

    async def one(request: web.Request) -> web.Response:
        if request.path.endswith("vigia_schema"):
            return web.json_response({"number": 1, "newest_version": 0}, headers={"Content-Range": "0-0/*"})
        return rows({"op": "a", "message_id": None, "atendimento_id": None})

    endpoint.answer = one
    with pytest.raises(Misconfigured, match="Max rows"):
        await Store(caller).record([b"{}", b"{}"])


@pytest.mark.parametrize("way", [Way.REST], indirect=True)
async def test_an_endpoint_of_supabases_own_making_names_what_is_missing(lite: Lite, sql, teller) -> None:
    """A wrong key, a browser's key, a function that is not there, a right that was taken away, and it works again once it is back."""
    for key, says in (("sb_secret_wrong", causes.WRONG_KEY), (PUBLISHABLE_KEY, causes.NO_GRANT)):
        way = over(lite, key)
        with pytest.raises(Misconfigured) as told:
            await way.call("vigia_schema")
        assert says.partition(": ")[0] in str(told.value)
        await way.close()
    way = over(lite)
    with pytest.raises(Misconfigured) as told:
        await way.call("vigia_of_tomorrow")
    assert causes.NO_SCHEMA.partition(": ")[0] in str(told.value)
    assert await way.greet() == "Supabase over REST"
    await way.close()
    await sql.execute("revoke insert on whatsapp_mensagens from service_role")
    with pytest.raises(Misconfigured) as told:
        await teller.tell(teller.came("A"))
    assert causes.NO_GRANT.partition(": ")[0] in str(told.value)
    await restore_rights(sql)
    assert await teller.tell(teller.came("A"))
