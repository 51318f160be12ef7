"""Reads QR codes from pixels or from a terminal's lines, as a phone would: what cannot be read raises.

Made for clean pictures: nothing is corrected, so that one wrong module is a failure.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageOps
from qrcode import base, util
from qrcode.constants import ERROR_CORRECT_L
from qrcode.main import QRCode

QUIET = 4
_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_NUMBER, _LETTERS, _BYTES = 1, 2, 4
_LENGTH_BITS = {_NUMBER: (10, 12, 14), _LETTERS: (9, 11, 13), _BYTES: (8, 16, 16)}

Matrix = list[list[bool]]
"""True is black; without what is around the code."""


def from_picture(png: bytes) -> str:
    """Answer the text of the one code in a picture. Around it must be as much white as scanners need."""
    picture = ImageOps.invert(Image.open(io.BytesIO(png)).convert("L")).point([0] * 128 + [255] * 128)
    box = picture.getbbox()
    assert box, "there is nothing black"
    left, top, right, bottom = box
    row = [picture.getpixel((x, top)) == 255 for x in range(left, right)]
    module = row.index(False) / 7
    side = round((right - left) / module / 4 - 0.25) * 4 + 1
    module = (right - left) / side
    assert min(left, top, picture.width - right, picture.height - bottom) >= (QUIET - 0.5) * module, "no quiet zone"
    middle = [module * (index + 0.5) for index in range(side)]
    return decode([[picture.getpixel((int(left + x), int(top + y))) == 255 for x in middle] for y in middle])


def from_terminal(lines: str, *, white_is: str = "ink") -> str:
    """Answer the text of a code made of half blocks; *white_is* "ink" where blocks are white, "paper" where they are black."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", lines).splitlines()
    halves = {" ": (0, 0), "▄": (0, 1), "▀": (1, 0), "█": (1, 1)}
    rows = [[bool(halves[char][half]) for char in line] for line in plain for half in (0, 1)]
    black = [[cell is (white_is == "paper") for cell in row] for row in rows]
    inked = [index for index, row in enumerate(black) if any(row)]
    top, side = inked[0], len(black[0]) - 2 * QUIET
    assert top >= QUIET, "no quiet zone"
    return decode([row[QUIET : QUIET + side] for row in black[top : top + side]])


def from_svg(svg: str) -> str:
    """Answer the text of a code that is drawn as runs of black modules."""
    side = int(re.findall(r'viewBox="0 0 (\d+)', svg)[0])
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-", svg)
    black = {(int(x) + step, int(y)) for x, y, length in runs for step in range(int(length))}
    return decode([[(x, y) in black for x in range(QUIET, side - QUIET)] for y in range(QUIET, side - QUIET)])


def decode(matrix: Matrix) -> str:
    """Answer the text of a code."""
    version, mask = (len(matrix) - 17) // 4, _mask(matrix)
    flip = util.mask_func(mask)
    bits = [matrix[row][column] != flip(row, column) for row, column in _path(version, mask)]
    words = [
        sum(bit << (7 - place) for place, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits) - 7, 8)
    ]
    return _text(_data(words, version), version)


def _mask(matrix: Matrix) -> int:
    column = [8, 8, 8, 8, 8, 8, 8, 8, 7, 5, 4, 3, 2, 1, 0]
    row = [0, 1, 2, 3, 4, 5, 7, 8, 8, 8, 8, 8, 8, 8, 8]
    value = 0
    for y, x in zip(column, row, strict=True):
        value = value << 1 | matrix[y][x]
    value ^= 0b101010000010010
    assert value >> 13 == 1, "not of the lowest correction, or not a code"
    return value >> 10 & 7


def _path(version: int, mask: int) -> Iterator[tuple[int, int]]:
    """Give the places of the data in their order: two columns at a time, up and down, from the right."""
    blank: QRCode[Any] = QRCode(version=version)
    side = blank.modules_count = version * 4 + 17
    blank.modules = [[None] * side for _ in range(side)]
    for row, column in ((0, 0), (side - 7, 0), (0, side - 7)):
        blank.setup_position_probe_pattern(row, column)
    blank.setup_position_adjust_pattern()
    blank.setup_timing_pattern()
    blank.setup_type_info(True, mask)
    if version >= 7:
        blank.setup_type_number(True)
    upward = True
    for right in [*range(side - 1, 6, -2), 5, 3, 1]:
        for row in range(side - 1, -1, -1) if upward else range(side):
            for column in (right, right - 1):
                if blank.modules[row][column] is None:
                    yield row, column
        upward = not upward


def _data(words: list[int], version: int) -> Iterator[bool]:
    """Give the bits of the data, which lies in blocks woven into each other."""
    sizes = [block.data_count for block in base.rs_blocks(version, ERROR_CORRECT_L)]
    blocks: list[list[int]] = [[] for _ in sizes]
    at = iter(words)
    for index in range(max(sizes)):
        for block, size in zip(blocks, sizes, strict=True):
            if index < size:
                block.append(next(at))
    for word in (word for block in blocks for word in block):
        yield from (bool(word >> place & 1) for place in range(7, -1, -1))


def _text(bits: Iterator[bool], version: int) -> str:
    def take(count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | next(bits, False)  # a full code has no mark of its end
        return value

    text = ""
    while mode := take(4):
        count = take(_LENGTH_BITS[mode][0 if version < 10 else 1 if version < 27 else 2])
        if mode == _BYTES:
            text += bytes(take(8) for _ in range(count)).decode()
        elif mode == _LETTERS:
            for _ in range(count // 2):
                pair = take(11)
                text += _ALPHANUMERIC[pair // 45] + _ALPHANUMERIC[pair % 45]
            text += _ALPHANUMERIC[take(6)] if count % 2 else ""
        else:
            text += "".join(str(take(10)).zfill(3) for _ in range(count // 3))
            text += str(take([0, 4, 7][count % 3])).zfill(count % 3) if count % 3 else ""
    return text
