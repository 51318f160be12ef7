"""Can WhatsApp be reached at all? A plain connection tells, and costs the engine nothing."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from urllib.parse import SplitResult, unquote, urlsplit

HOST, PORT = "web.whatsapp.com", 443
PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
TRY_S = 5.0
REMEMBERED_S = 2.0  # two hundred sessions ask at once when the network comes back


class Reach:
    """Answers from memory for two seconds. Goes the engine's way: through *proxy*, a URL, where there is one."""

    def __init__(self, proxy: str | None = None) -> None:
        self._proxy = proxy
        self._lock = asyncio.Lock()
        self._asked = float("-inf")
        self._answer = False

    async def __call__(self) -> bool:
        """Answer whether a connection to WhatsApp can be made now."""
        async with self._lock:
            if time.monotonic() - self._asked > REMEMBERED_S:
                self._answer = await self._try()
                self._asked = time.monotonic()
            return self._answer

    async def _try(self) -> bool:
        try:
            async with asyncio.timeout(TRY_S):
                return await (self._through_proxy(urlsplit(self._proxy)) if self._proxy else self._directly())
        except (
            OSError,
            ValueError,
            EOFError,
            asyncio.LimitOverrunError,
        ):  # TimeoutError is an OSError; no URL, a ValueError
            return False

    async def _directly(self) -> bool:
        _reader, writer = await asyncio.open_connection(HOST, PORT)
        writer.close()
        return True

    async def _through_proxy(self, proxy: SplitResult) -> bool:
        reader, writer = await asyncio.open_connection(proxy.hostname, proxy.port or PROXY_PORTS.get(proxy.scheme, 0))
        try:
            if proxy.scheme != "http":
                return True  # that it is there is all that a plain connection tells
            writer.write(f"CONNECT {HOST}:{PORT} HTTP/1.1\r\nHost: {HOST}:{PORT}\r\n{_credentials(proxy)}\r\n".encode())
            status = await reader.readuntil(b"\r\n")
        finally:
            writer.close()
        return status.split()[1:2] == [b"200"]


def _credentials(proxy: SplitResult) -> str:
    if proxy.username is None:
        return ""
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return f"Proxy-Authorization: Basic {b64encode(pair.encode()).decode()}\r\n"
