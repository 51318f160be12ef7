"""Loads neonize. The only place that does, and the list of everything in it that is relied on."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PINNED = "0.5.2"

BINDER_NAMES = (
    "gocode",
    "func_string",
    "func_callback_bytes",
    "func_callback_bytes2",
    "ProxySettings",
    "_CProxySettings",
)
"""Names of `neonize._binder` that `client.py` uses; the contract test holds the installed version to them."""

EXPORTS = {
    "Neonize": 17,  # blocks as long as the session lives
    "Stop": 1,
    "Disconnect": 1,
    "Logout": 1,
    "IsLoggedIn": 1,
    "SendMessage": 5,
    "GetBlocklist": 1,
    "IsOnWhatsApp": 2,
    "PairPhone": 3,
}
"""Functions of the Go library that are called, and how many arguments each takes."""


@dataclass(frozen=True, slots=True)
class Library:
    """The loaded engine: its functions, the callback types it takes, and its protobuf module."""

    go: Any
    on_text: Any  # (uuid, char*)
    on_event: Any  # (uuid, bytes, size, code)
    on_log: Any  # (bytes, size)
    proxy_settings: Any
    proto: Any
    path: Path


def load() -> Library:
    """Load the engine into this process. Raises `ImportError` with a sentence when it cannot be had."""
    library = _library_path()
    _provide_libmagic()
    from neonize import _binder as binder  # noqa: PLC0415  # loading it is what this function is for
    from neonize.proto import Neonize_pb2  # noqa: PLC0415

    logging.getLogger("neonize").setLevel(
        logging.ERROR
    )  # it advises installing ffmpeg at every start: nothing here uses that
    return Library(
        go=binder.gocode,
        on_text=binder.func_string,
        on_event=binder.func_callback_bytes,
        on_log=binder.func_callback_bytes2,
        proxy_settings=binder.ProxySettings,
        proto=Neonize_pb2,
        path=library,
    )


def _library_path() -> Path:
    spec = find_spec("neonize")
    places = spec.submodule_search_locations if spec else None
    found = sorted(Path(places[0]).glob("neonize-*")) if places else []
    if not found:
        # Without its library neonize would download one, unchecked, at import.
        raise ImportError(f"neonize {PINNED} has no engine library for this machine: run ./scripts/setup again")
    return found[0]


def _provide_libmagic() -> None:
    """Load the bundled libmagic where the system has none: `import neonize` fails without."""
    try:
        import magic  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]  # only to see whether it loads
    except ImportError:
        spec = find_spec("pylibmagic")
        places = spec.submodule_search_locations if spec else None
        if not places or not sys.platform.startswith("linux"):
            raise ImportError("libmagic is missing: install it (on Debian: apt install libmagic1)") from None
        folder = Path(places[0])
        os.environ.setdefault("MAGIC", str(folder / "magic.mgc"))
        ctypes.CDLL(str(folder / "libmagic.so.1"))  # now the soname is loaded, and python-magic's own look-up finds it
