"""The edge of the service: what every answer carries, which other pages may call, how often anybody may, who a caller is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from limits import parse

from connector.api.callers import Callers
from connector.api.cors import Cors
from connector.api.health import Health
from connector.api.rates import Policy, Rates
from connector.api.server import Edge, Telemetry, make_app
from connector.api.windows import Windows

KEY = {"X-API-KEY": "planted-key"}
CRM = "https://crm.example.com"
Client = TestClient[web.Request, web.Application]
Opens = Callable[..., Awaitable[Client]]


@pytest.fixture
async def opens() -> Any:
    """Build services with an edge of one's own, and talk to them without a key."""
    made: list[Client] = []

    async def build(**edge: Any) -> Client:
        telemetry = Telemetry(observe=lambda *_: None, render=lambda: (b"", "text/plain"), public=True)
        app = make_app(
            key="planted-key",
            health_of=Health(lab=True, sessions=lambda: 0),
            telemetry=telemetry,
            edge=Edge(**edge),
        )
        app.router.add_get("/thing", _thing)
        client = TestClient(TestServer(app))
        await client.start_server()
        made.append(client)
        return client

    yield build
    for client in made:
        await client.close()


async def _thing(_request: web.Request) -> web.Response:
    return web.json_response({"thing": 1})


async def code(answer: ClientResponse) -> tuple[int, str]:
    body = json.loads(await answer.text())
    assert answer.content_type == "application/problem+json"
    return answer.status, body["code"]


# What every answer carries


@pytest.mark.parametrize(
    ("path", "status"), [("/thing", 200), ("/nowhere", 404), ("/health/live", 200), ("/docs", 200)]
)
async def test_every_answer_is_safe_to_show(opens: Opens, path: str, status: int) -> None:
    """Data, refusals, pages: no guessing of types, no framing, nobody told where the reader came from."""
    answer = await (await opens()).get(path, headers=KEY)
    assert answer.status == status
    told = answer.headers
    assert (told["X-Content-Type-Options"], told["Referrer-Policy"]) == ("nosniff", "no-referrer")
    assert "frame-ancestors 'none'" in told["Content-Security-Policy"]
    assert told["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "microphone=()" in told["Permissions-Policy"]
    assert told["Cache-Control"] in ("no-store", "no-cache")
    assert not {"Strict-Transport-Security", "Server", "Access-Control-Allow-Origin"} & set(told)
    assert "upgrade-insecure-requests" not in told["Content-Security-Policy"]


async def test_data_is_not_kept(opens: Opens) -> None:
    """Neither by browsers nor by what stands between."""
    answer = await (await opens()).get("/thing", headers=KEY)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


# Which other pages may call


@pytest.mark.parametrize("path", ["/thing", "/nowhere", "/health/live"])
async def test_a_page_that_is_let_in_may_read_everything(opens: Opens, path: str) -> None:
    """Refusals too, with and without the key."""
    client = await opens(cors=Cors.of(f"https://other.example, {CRM}/"))
    for headers in (KEY, {}):
        answer = await client.get(path, headers={"Origin": CRM, **headers})
        assert answer.headers["Access-Control-Allow-Origin"] == CRM
        assert answer.headers["Vary"] == "Origin"
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_the_question_before_needs_no_key(opens: Opens) -> None:
    """Browsers ask it without; nothing of ours runs for it, whatever the address."""
    client = await opens(cors=Cors.of(CRM))
    asks = {"Origin": CRM, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    for path in ("/thing", "/nowhere", "/api/whatsapp-integration/messages/send"):
        answer = await client.options(path, headers=asks)
        assert (answer.status, await answer.read()) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == CRM
        assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
        taken = answer.headers["Access-Control-Allow-Headers"].split(", ")
        assert taken == ["X-API-KEY", "Idempotency-Key", "Content-Type", "X-Request-ID"]


@pytest.mark.parametrize("origin", ["https://evil.example", f"{CRM}.evil.example", f"{CRM}:8443", "null", CRM.upper()])
async def test_other_pages_learn_nothing(opens: Opens, origin: str) -> None:
    """No header for them, and their question is a request like any other: without a key it is refused."""
    client = await opens(cors=Cors.of(CRM))
    asked = await client.options("/thing", headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
    assert await code(asked) == (401, "unauthorized")
    answer = await client.get("/thing", headers={"Origin": origin, **KEY})
    for each in (asked, answer):
        assert not [name for name in each.headers if name.startswith("Access-Control-")]
        assert each.headers["Vary"] == "Origin"


async def test_everybody(opens: Opens) -> None:
    """With a star, and never with credentials."""
    client = await opens(cors=Cors.of("*"))
    answer = await client.get("/thing", headers={"Origin": "https://any.example", **KEY})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    asked = await client.options(
        "/thing", headers={"Origin": "https://any.example", "Access-Control-Request-Method": "PUT"}
    )
    assert (asked.status, asked.headers["Access-Control-Allow-Origin"]) == (204, "*")


async def test_a_request_that_only_looks_like_the_question(opens: Opens) -> None:
    """OPTIONS without the browser's words is a method like any other."""
    client = await opens(cors=Cors.of(CRM))
    assert await code(await client.options("/thing", headers={"Origin": CRM})) == (401, "unauthorized")


# How often


async def test_a_caller_with_the_key_is_stopped_in_time(opens: Opens) -> None:
    """And told when to come back; callers without it have a limit of their own."""
    client = await opens(rates=Policy(parse("3/day"), parse("2/day"), parse("10/day")))
    answers = [await client.get("/thing", headers=KEY) for _ in range(4)]
    assert [each.status for each in answers] == [200, 200, 200, 429]
    assert [each.headers["RateLimit"].split(";")[1] for each in answers] == ["r=2", "r=1", "r=0", "r=0"]
    assert answers[0].headers["RateLimit-Policy"] == '"key";q=3;w=86400'
    assert await code(answers[3]) == (429, "too_many_requests")
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 2 * 86400
    strangers = [await client.get("/docs") for _ in range(3)]
    assert [each.status for each in strangers] == [200, 200, 429]


async def test_probes_are_never_stopped(opens: Opens) -> None:
    """Nor counted: they come every few seconds for ever."""
    client = await opens(rates=Policy(parse("1/day"), parse("1/day"), parse("1/day")))
    for path in ("/health/live", "/health/ready", "/metrics") * 3:
        answer = await client.get(path)
        assert answer.status == 200
        assert "RateLimit" not in answer.headers


async def test_without_a_limit_nobody_is_counted(opens: Opens) -> None:
    """`RATE_LIMIT=off`."""
    answer = await (await opens(rates=Policy.of("off"))).get("/thing", headers=KEY)
    assert (answer.status, "RateLimit" in answer.headers) == (200, False)


async def test_trying_keys_is_stopped_soon(opens: Opens) -> None:
    """Then even the right one is refused, so that a guess that hits is not told from one that misses."""
    client = await opens(rates=Policy(None, None, parse("3/day")))
    for guess in ("a", "b", "c"):
        assert await code(await client.get("/thing", headers={"X-API-KEY": guess})) == (401, "unauthorized")
    for guess in ("d", "planted-key"):
        refused = await client.get("/thing", headers={"X-API-KEY": guess})
        assert await code(refused) == (429, "too_many_keys")
        assert int(refused.headers["Retry-After"]) >= 1
    assert await code(await client.get("/thing")) == (401, "unauthorized")


async def test_the_counts_tell_nobody_whether_a_guess_was_right(opens: Opens) -> None:
    """Neither beside a refusal, nor on a page that everybody may open."""
    client = await opens(rates=Policy(parse("100/day"), parse("50/day"), parse("2/day")))
    for guess in "abc":
        await client.get("/thing", headers={"X-API-KEY": guess})
    for path, status in (("/thing", 429), ("/docs", 200)):
        told: list[set[str]] = []
        for guess in ("d", "planted-key"):
            answer = await client.get(path, headers={"X-API-KEY": guess})
            assert answer.status == status
            told.append({answer.headers["RateLimit-Policy"], *answer.headers} - {"Date"})
        assert told[0] == told[1]


async def test_an_old_key_that_comes_again_and_again_stops_nobody(opens: Opens) -> None:
    """A program with an old key is no guesser; the right one beside it works on."""
    client = await opens(rates=Policy(None, None, parse("3/day")))
    for _ in range(20):
        assert await code(await client.get("/thing", headers={"X-API-KEY": "old"})) == (401, "unauthorized")
    assert (await client.get("/thing", headers=KEY)).status == 200


async def test_where_the_key_was_right_before_it_stays_right(opens: Opens) -> None:
    """Whoever else tries keys from the same address, as from behind the same proxy."""
    client = await opens(rates=Policy(None, None, parse("2/day")))
    assert (await client.get("/thing", headers=KEY)).status == 200
    for guess in "abcdef":
        await client.get("/thing", headers={"X-API-KEY": guess})
    assert (await client.get("/thing", headers=KEY)).status == 200


async def test_callers_behind_a_trusted_proxy_are_told_apart(opens: Opens) -> None:
    """One that tries keys stops only itself."""
    client = await opens(rates=Policy(None, None, parse("2/day")), callers=Callers.of("127.0.0.0/8"))
    for guess in "abc":
        await client.get("/thing", headers={"X-API-KEY": guess, "X-Forwarded-For": "203.0.113.9"})
    refused = await client.get("/thing", headers={**KEY, "X-Forwarded-For": "203.0.113.9"})
    assert refused.status == 429
    assert (await client.get("/thing", headers={**KEY, "X-Forwarded-For": "203.0.113.10"})).status == 200


# Who a caller is


class _Transport:
    def __init__(self, remote: str) -> None:
        self._remote = remote

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self._remote, 1) if name == "peername" else default


@pytest.mark.parametrize(
    ("remote", "told", "found"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.66, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.66", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::"),
        ("2001:db8:1:2:9:9:9:9", [], "2001:db8:1:2::"),
        ("fe80::1%eth0", [], "fe80::"),
        ("::ffff:203.0.113.5", [], "203.0.113.5"),
        ("10.0.0.1", ["1.1.1.1," * 5000 + "198.51.100.1"], "198.51.100.1"),
    ],
)
def test_who_a_caller_is(remote: str, told: list[str], found: str) -> None:
    """The nearest address that no trusted proxy has; nobody else's word counts. An IPv6 customer has 64 bits to play with."""
    request = make_mocked_request("GET", "/", transport=_Transport(remote))
    headers = request.headers.copy()
    for line in told:
        headers.add("X-Forwarded-For", line)
    request = request.clone(headers=headers, remote=remote)
    assert Callers.of("10.0.0.0/8").address(request) == found


# The windows


def test_a_window_slides() -> None:
    """What came in the window before weighs as much as that one still covers; the wait that is told is long enough, and not longer."""
    at = [0.0]
    windows, item = Windows(clock=lambda: at[0]), parse("10/minute")
    assert [windows.come("a", item).granted for _ in range(11)] == [True] * 10 + [False]
    refused = windows.come("a", item)
    for wait, granted in ((refused.more_in_s - 1, False), (refused.more_in_s + 1, True)):
        at[0] = float(wait)
        assert windows.look("a", item).granted is granted
    at[0] = 90.0
    assert windows.look("a", item).left == 5
    assert windows.look("b", item).left == 10
    assert [windows.come("a", item).granted for _ in range(6)] == [True] * 5 + [False]
    late = windows.look("a", item)
    at[0] += late.more_in_s
    assert windows.look("a", item).granted
    at[0] = 1000.0
    assert windows.look("a", item).left == 10


def test_a_steady_caller_within_its_limit_is_never_refused() -> None:
    """And one above it gets no more than the limit in the long run."""
    at = [0.0]
    windows, item = Windows(clock=lambda: at[0]), parse("60/minute")
    granted = {"steady": 0, "greedy": 0}
    for second in range(600):
        at[0] = float(second)
        granted["steady"] += second % 10 == 0 or windows.come("steady", item).granted
        granted["greedy"] += sum(windows.come("greedy", item).granted for _ in range(5))
    assert granted["steady"] == 600
    assert granted["greedy"] <= 11 * 60


def test_what_is_kept_is_bounded() -> None:
    """Whoever has not come for longest is forgotten first."""
    windows, item = Windows(most=100, clock=lambda: 0.0), parse("1/minute")
    for number in range(1000):
        windows.come(f"198.51.100.{number}", item)
    assert len(windows) == 100
    assert not windows.look("198.51.100.999", item).granted
    assert windows.look("198.51.100.0", item).granted


def test_what_is_remembered_of_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many addresses try however many."""
    monkeypatch.setattr("connector.api.rates.MOST", 50)
    rates = Rates(Policy(None, None, parse("1000/day")), Callers())
    for number in range(200):
        request = make_mocked_request("GET", "/").clone(remote=f"198.51.100.{number}")
        rates.guessed(request, b"%d" % number)
        rates.proven(request)
    assert len(rates._tried) == 50
    assert len(rates._known) == 50
