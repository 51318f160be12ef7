"""QR codes as pictures."""

from __future__ import annotations

import io
from base64 import b64encode

import qrcode
from qrcode.constants import ERROR_CORRECT_L
from qrcode.image.pil import PilImage


def png(text: str) -> bytes:
    """Answer *text* as the PNG of a QR code, about 400 pixels wide."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_L, box_size=6, border=4, image_factory=PilImage)
    code.add_data(text)
    code.make(fit=True)
    kept = io.BytesIO()
    code.make_image().save(kept, "PNG")
    return kept.getvalue()


def data_url(text: str) -> str:
    """Answer *text* as the QR code that an `<img>` shows as its source."""
    return "data:image/png;base64," + b64encode(png(text)).decode()
