"""Can WhatsApp be reached at all? A plain connection tells, and costs the engine nothing."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

HOST, PORT = "web.whatsapp.com", 443
TRY_S = 5.0
REMEMBERED_S = 2.0  # two hundred sessions ask at once when the network comes back


class Reach:
    """Answers from memory for two seconds."""

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
            return await asyncio.wait_for(self._through_proxy() if self._proxy else self._directly(), TRY_S)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False

    async def _directly(self) -> bool:
        _reader, writer = await asyncio.open_connection(HOST, PORT)
        writer.close()
        return True

    async def _through_proxy(self) -> bool:
        place = urlsplit(self._proxy or "")
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            writer.write(f"CONNECT {HOST}:{PORT} HTTP/1.1\r\nHost: {HOST}:{PORT}\r\n\r\n".encode())
            status = await reader.readuntil(b"\r\n")
        finally:
            writer.close()
        return b" 200 " in status + b" "
