"""The ways to the record. What the store promises, it promises over each of them."""

from __future__ import annotations

from enum import StrEnum

import pytest


class Way(StrEnum):
    """How a store may reach its database."""

    EMBEDDED = "embedded"  # as the service's own: a superuser, over a socket
    DATABASE_URL = (
        "DATABASE_URL"  # as somebody else's: an ordinary user, behind a pooler, where no statement can be prepared
    )
    REST = "REST"  # over HTTP, with a key


every_way = pytest.mark.parametrize("way", Way, indirect=True)
"""Runs a test, or with `pytestmark` all of a file, over each; the fixtures `url`, `sql`, `store` and `teller` follow."""
