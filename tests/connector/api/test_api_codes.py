"""Pictures of codes: right, drawn once, forgotten in time."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from connector.api import codes
from connector.api.codes import KEPT, Pictures


async def test_a_picture_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a page asks for it; the last few are kept, no more."""
    drawn: list[str] = []
    monkeypatch.setattr(codes, "draw", lambda text: drawn.append(text) or text.encode())
    pictures = Pictures()
    asked = [str(number) for number in range(KEPT + 1)]
    for text in [asked[0], *asked]:
        assert await pictures.png(text) == text.encode()
    assert drawn == asked
    await pictures.png(asked[0])
    await pictures.png(asked[-1])
    assert drawn == [*asked, asked[0]]


async def test_it_is_a_picture() -> None:
    """Square, black on white, with the quiet border that scanners need."""
    picture = Image.open(io.BytesIO(await Pictures().png("https://example.com/#2@" + "A" * 200))).convert("L")
    assert picture.width == picture.height > 300
    assert {picture.getpixel((x, 23)) for x in range(picture.width)} == {255}
    assert picture.getpixel((25, 25)) == 0
