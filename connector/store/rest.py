"""Calls the record's functions over Supabase's REST interface, for those who have a project's address and key and nothing else.

The one file that knows the `supabase` package, and only once it is used: loading it costs 20 MB.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from connector.settings import SupabaseSettings
from connector.store import causes
from connector.store.causes import Answer, meaning
from connector.store.errors import Misconfigured, Offline, StoreError

if TYPE_CHECKING:
    import httpx
    from supabase import AsyncClient

CONNECT_S = 3.0
READ_S = 10.0
"""Supabase ends a statement after 8 s by itself."""
WHOLE_S = 30.0
"""For one request with everything: an answer that trickles would never run out of `READ_S`."""
CONNECTIONS = 10
MOST_BYTES = 1_000_000
"""What one request carries. The hosted gateway takes more, but nobody says how much."""
MOST_ROWS = 500
"""A project answers at most 1000 rows (Max rows) unless somebody changed that."""
_LET_IN = ("PGRST2", "42")
"""Codes of who was let in and did not find, or may not use, what was asked for."""


class Rest:
    """A client that connects when it is first needed. It never tries twice: whoever calls knows when that is right."""

    def __init__(self, project: SupabaseSettings, *, http: httpx.AsyncClient | None = None) -> None:
        """*http*: for tests; `Rest` closes it."""
        self._project = project
        self._http = http
        self._client: AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def call(self, function: str, **arguments: Any) -> list[Any]:
        """Answer the rows of one of the database's functions, as JSON values. Raises `StoreError`.

        Uuids and texts are given as str, a `jsonb[]` as a list of JSON texts. A list that is too long for one request is sent in
        several, in order: where a later one is refused, the earlier ones have taken effect.
        """
        found: list[Any] = []
        for part in _parts(arguments):
            found += await self._call(function, part)
        return found

    async def greet(self) -> str:
        """Answer what lets us in. Raises `StoreError` when it cannot be reached or does not let us in."""
        try:
            await self._call("vigia_schema", {})
        except Misconfigured as error:
            if not error.code.startswith(_LET_IN):
                raise
        return "Supabase over REST"

    async def close(self) -> None:
        """Close every connection; may be called twice."""
        http, self._http, self._client = self._http, None, None
        if http is not None:
            await http.aclose()

    async def _call(self, function: str, arguments: dict[str, Any]) -> list[Any]:
        client = await self._open()
        try:
            async with asyncio.timeout(WHOLE_S):
                found = await client.rpc(function, arguments).execute()
        except Exception as error:
            raise classify(error) from error
        # A set of rows comes as a list, one value as itself. None of our values is a list.
        return found.data if isinstance(found.data, list) else [found.data]

    async def _open(self) -> AsyncClient:
        async with self._opening:
            if self._client is None:
                self._http = self._http or _http()
                self._http.event_hooks = {"response": [_require_postgrest]}
                self._client = await _client(self._project, self._http)
            return self._client


def _http() -> httpx.AsyncClient:
    """HTTP/1.1 kept alive (2 loses requests on connections that the other side is closing), and a company's proxy where one is set."""
    import httpx  # noqa: PLC0415 - see the module

    return httpx.AsyncClient(
        http2=False,
        verify=_trusted(),
        timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=30.0),
        follow_redirects=False,
        trust_env=True,
    )


def _trusted() -> ssl.SSLContext:
    """The authorities of this machine, a company's own among them, and the usual ones for machines that have none."""
    import certifi  # noqa: PLC0415 - see the module

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


async def _client(project: SupabaseSettings, http: httpx.AsyncClient) -> AsyncClient:
    from supabase import AsyncClientOptions, AsyncSupabaseException, acreate_client  # noqa: PLC0415 - see the module

    options = AsyncClientOptions(
        httpx_client=http, postgrest_client_retry=False, auto_refresh_token=False, persist_session=False
    )
    try:
        return await acreate_client(project.url, project.key, options)
    except AsyncSupabaseException as error:
        raise Misconfigured(causes.ELSEWHERE) from error


async def _require_postgrest(response: httpx.Response) -> None:
    """Raise what an answer means that is none of ours. A login page with status 200 would pass for a success with the client."""
    if response.status_code == 200 and _is_json(response) and "content-range" in response.headers:
        return
    code = await _code(response) if _is_json(response) else None
    raise meaning(Answer(response.status_code, code, response.headers.get("retry-after")))


async def _code(response: httpx.Response) -> str | None:
    await response.aread()
    try:
        return msgspec.json.decode(response.content, type=_Problem).code
    except msgspec.DecodeError:
        return None


class _Problem(msgspec.Struct):
    code: str | None = None


def _is_json(response: httpx.Response) -> bool:
    return response.headers.get("content-type", "").startswith("application/json")


def classify(error: Exception) -> StoreError:
    """Answer what a fault on the way to Supabase means for the caller. Never quotes what was sent."""
    import httpx  # noqa: PLC0415 - see the module

    if isinstance(error, StoreError):
        return error
    if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError)):
        return Misconfigured(causes.ELSEWHERE)
    if isinstance(error, httpx.ConnectError) and _because(error, socket.gaierror):
        return Offline(causes.NO_SUCH_NAME)
    if isinstance(error, httpx.ConnectError) and _because(error, ssl.SSLCertVerificationError):
        return Misconfigured(
            "the certificate under SUPABASE_URL is not trusted: correct the address, or name your company's authority in SSL_CERT_FILE"
        )
    if isinstance(error, httpx.ProxyError) and str(error).startswith("407"):
        return Misconfigured(causes.PROXY)
    if isinstance(error, (httpx.HTTPError, TimeoutError)):
        return Offline(f"Supabase cannot be reached ({type(error).__name__})")
    raise error


def _because(error: BaseException | None, reason: type[BaseException]) -> bool:
    """Whether *reason* is why, however deep it lies."""
    while error is not None:
        if isinstance(error, reason):
            return True
        error = error.__cause__ or error.__context__
    return False


def _parts(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Answer the arguments as one request takes them, or several of them where one holds a long list.

    Elements of a `jsonb[]` go as the JSON values that they are: a text would become a JSON string.
    """
    named = next((name for name, value in arguments.items() if isinstance(value, list)), None)
    if named is None:
        yield arguments
        return
    for texts in _slices(arguments[named]):
        yield {**arguments, named: [msgspec.json.decode(text) for text in texts]}


def _slices(texts: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for text in texts:
        if part and (len(part) == MOST_ROWS or size + len(text) > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(text)
        size += len(text)
    yield part
