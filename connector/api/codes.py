"""QR codes as pictures."""

from __future__ import annotations

import asyncio
import io
from base64 import b64encode
from collections import OrderedDict

import qrcode
from qrcode.constants import ERROR_CORRECT_L
from qrcode.image.pil import PilImage

KEPT = 16


class Pictures:
    """Draws codes beside the loop (40 ms each), and keeps the last ones: a page that waits for a scan asks again and again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    async def png(self, text: str) -> bytes:
        """Answer *text* as the PNG of a QR code, about 400 pixels wide."""
        if text in self._kept:
            return self._kept[text]
        drawn = self._kept[text] = await asyncio.to_thread(draw, text)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return drawn

    async def data_url(self, text: str) -> str:
        """Answer *text* as the QR code that an `<img>` shows as its source."""
        return "data:image/png;base64," + b64encode(await self.png(text)).decode()


def draw(text: str) -> bytes:
    """Answer the PNG."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_L, box_size=6, border=4, image_factory=PilImage)
    code.add_data(text)
    code.make(fit=True)
    drawn = io.BytesIO()
    code.make_image().save(drawn, "PNG")
    return drawn.getvalue()
