"""QR codes as pictures: for a browser, for a program, for a terminal."""

from __future__ import annotations

import asyncio
import io
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import qrcode
from qrcode.constants import ERROR_CORRECT_L
from qrcode.image.pil import PilImage

T = TypeVar("T", str, bytes)

KEPT = 16
QUIET = 4
"""How many modules of white a scanner needs around a code."""


class Pictures:
    """Draws codes beside the loop (40 ms each), and keeps the last ones: a page that waits for a scan asks again and again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], str | bytes] = OrderedDict()

    async def png(self, text: str) -> bytes:
        """Answer *text* as the PNG of a QR code, about 400 pixels wide."""
        return await self._drawn("png", draw, text)

    async def data_url(self, text: str) -> str:
        """Answer *text* as the QR code that an `<img>` shows as its source."""
        return "data:image/png;base64," + b64encode(await self.png(text)).decode()

    async def svg(self, text: str) -> str:
        """Answer *text* as an SVG that is sharp at any size, white around and behind it."""
        return await self._drawn("svg", draw_svg, text)

    async def terminal(self, text: str) -> str:
        """Answer *text* as lines of half blocks, black and white whatever the terminal's own colours are."""
        return await self._drawn("terminal", draw_terminal, text)

    async def _drawn(self, kind: str, draw: Callable[[str], T], text: str) -> T:
        found = self._kept.get((kind, text))
        if found is None:
            found = self._kept[kind, text] = await asyncio.to_thread(draw, text)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found  # type: ignore[return-value]  # what is kept under a kind was drawn as that kind


def draw(text: str) -> bytes:
    """Answer the PNG."""
    drawn = io.BytesIO()
    _code(text).make_image().save(drawn, "PNG")
    return drawn.getvalue()


def draw_svg(text: str) -> str:
    """Answer the SVG: one unit a module, one piece for each run of black ones."""
    rows = _code(text).get_matrix()
    side = len(rows)
    runs = "".join(f"M{start} {y}h{length}v1h-{length}z" for y, row in enumerate(rows) for start, length in _runs(row))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d="{runs}"/></svg>'
    )


# Two modules a character. White is drawn and black is left out: where colours are lost, it is still right on a dark terminal.
_HALVES = {(True, True): " ", (True, False): "▄", (False, True): "▀", (False, False): "█"}
_WHITE_ON_BLACK, _AS_BEFORE = "\x1b[38;5;231;48;5;16m", "\x1b[0m"  # of the fixed colours, which no theme changes


def draw_terminal(text: str) -> str:
    """Answer the lines."""
    rows = _code(text).get_matrix()
    if len(rows) % 2:
        rows.append([False] * len(rows))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    lines = ("".join(_HALVES[both] for both in zip(upper, lower, strict=True)) for upper, lower in pairs)
    return "".join(f"{_WHITE_ON_BLACK}{line}{_AS_BEFORE}\n" for line in lines)


def _code(text: str) -> qrcode.QRCode[PilImage]:
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_L, box_size=6, border=QUIET, image_factory=PilImage)
    code.add_data(text)
    code.make(fit=True)
    return code


def _runs(row: list[bool]) -> list[tuple[int, int]]:
    """Answer where black runs begin, and how long they are."""
    runs: list[tuple[int, int]] = []
    for x, black in enumerate(row):
        if black and runs and sum(runs[-1]) == x:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        elif black:
            runs.append((x, 1))
    return runs
