"""Pictures of codes: right, drawn once, forgotten in time."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest
import qr_reader
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


@pytest.mark.parametrize(
    "text",
    ["2@" + "aB3/" * 50 + ",cD=,eF=", "https://wa.me/settings/linked_devices#2@" + "Zz9+" * 60, "A1" * 20, "7" * 41],
)
async def test_every_way_of_showing_it_can_be_read(text: str) -> None:
    """The picture for programs, the one for terminals whatever their colours; a colourless dark terminal reads it too."""
    pictures = Pictures()
    assert qr_reader.from_picture(await pictures.png(text)) == text
    lines = await pictures.terminal(text)
    assert qr_reader.from_terminal(lines) == text
    with pytest.raises(AssertionError):
        qr_reader.from_terminal(lines, white_is="paper")


async def test_a_terminal_is_told_both_colours() -> None:
    """Each line sets white and black of the palette that themes leave alone, and puts back what was."""
    lines = (await Pictures().terminal("2@" + "A" * 200)).splitlines()
    inner = [re.fullmatch("\x1b\\[38;5;231;48;5;16m([ █▀▄]+)\x1b\\[0m", line) for line in lines]
    widths = {len(each[1]) for each in inner if each}
    assert None not in inner
    assert len(widths) == 1
    assert "█" * widths.pop() in lines[0], "the quiet zone is white"


async def test_the_svg_is_a_picture_of_the_same() -> None:
    """White behind, black pieces on it, no script and no address in it but its own language's."""
    svg = await Pictures().svg("2@" + "A" * 200)
    root = ElementTree.fromstring(svg)  # noqa: S314 - ours
    _, _, width, height = map(int, root.attrib["viewBox"].split())
    ground, black = root
    assert (width, ground.attrib["fill"]) == (height, "#fff")
    assert black.attrib.keys() == {"d"}
    assert qr_reader.from_svg(svg) == "2@" + "A" * 200
