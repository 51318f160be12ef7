"""Loads neonize's Go library and protobufs. The only place that does, and the list of everything in them that is relied on.

neonize's Python code is left out: its client is not used (see `client`), and importing it costs a worker three times the start
and twice the memory. Its functions are declared here instead; the contract test holds them to neonize's own declarations.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from ctypes import POINTER, Structure, c_bool, c_char_p, c_int, c_size_t, c_void_p
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

PINNED = "0.5.2"

ON_TEXT = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)  # uuid, text
ON_EVENT = ctypes.CFUNCTYPE(None, c_char_p, c_void_p, c_int, c_int)  # uuid, bytes, size, code
ON_LOG = ctypes.CFUNCTYPE(None, c_void_p, c_int)  # bytes, size


class ProxySettings(Structure):
    """How to reach WhatsApp through a proxy; a URL as bytes."""

    _fields_ = (
        ("address", c_char_p),
        ("no_websocket", c_bool),
        ("only_login", c_bool),
        ("no_media", c_bool),
    )


class Answer(Structure):
    """Bytes that the engine allocated."""

    _fields_ = (("data", c_void_p), ("size", c_size_t))


TEXT, BYTES, NOTHING = "text", "bytes", "nothing"
"""What a function answers: a text of the engine's, bytes of the engine's, nothing."""

FUNCTIONS: dict[str, tuple[str, tuple[Any, ...]]] = {
    # blocks as long as the session lives
    "Neonize": (
        TEXT,
        (
            *(
                c_char_p,
                c_char_p,
                c_char_p,
                c_int,
                c_int,
                c_char_p,
            ),  # database, uuid, jid, its size, new device, log level
            *(ON_TEXT, ON_TEXT, ON_EVENT, ON_LOG),  # QR codes, login status, events, log
            *(c_char_p, c_int, c_char_p, c_int, c_char_p, c_int),  # subscribed codes, device properties, pairing phone
            POINTER(ProxySettings),
        ),
    ),
    "Stop": (TEXT, (c_char_p,)),
    "Disconnect": (NOTHING, (c_char_p,)),
    "Logout": (TEXT, (c_char_p,)),
    "SendMessage": (BYTES, (c_char_p, c_char_p, c_int, c_char_p, c_int)),
    "GetUserDevices": (BYTES, (c_char_p, c_char_p, c_int)),
    "GetBlocklist": (BYTES, (c_char_p,)),
    "IsOnWhatsApp": (BYTES, (c_char_p, c_char_p)),
    "PairPhone": (BYTES, (c_char_p, c_char_p, c_int)),
}
"""Every function of the Go library that is called: what it answers, and what it takes."""


@dataclass(frozen=True, slots=True)
class Library:
    """The loaded engine: its functions by name, its protobuf module, its file."""

    go: Any
    proto: Any
    path: Path


def load() -> Library:
    """Load the engine into this process. Raises `ImportError` with a sentence when it cannot be had."""
    package = _package()
    path = _library(package)
    go = ctypes.CDLL(str(path))
    _declare(go)
    if "neonize" not in sys.modules:
        sys.modules["neonize"] = _empty("neonize", package)
    from neonize.proto import Neonize_pb2  # noqa: PLC0415  # loading it is what this function is for

    return Library(go=go, proto=Neonize_pb2, path=path)


def _package() -> Path:
    spec = PathFinder.find_spec("neonize")
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise ImportError("neonize is not installed: run ./scripts/setup again")
    return Path(places[0])


def _library(package: Path) -> Path:
    found = sorted(package.glob("neonize-*.so")) + sorted(package.glob("neonize-*.dylib"))
    if len(found) != 1:
        raise ImportError(f"neonize {PINNED} has no engine library for this machine: run ./scripts/setup again")
    return found[0]


def _empty(name: str, folder: Path) -> ModuleType:
    """A package of this name with nothing in it, so that its protobufs can be imported without its own code."""
    package = ModuleType(name)
    package.__path__ = [str(folder)]
    return package


def _declare(go: ctypes.CDLL) -> None:
    go.GetVersion.restype = c_char_p
    version = go.GetVersion().decode()
    if version != PINNED:
        raise ImportError(f"the engine library says it is {version}, not {PINNED}: run ./scripts/setup again")
    go.FreeString.argtypes, go.FreeString.restype = (c_void_p,), None
    go.FreeBytesStruct.argtypes, go.FreeBytesStruct.restype = (POINTER(Answer),), None
    for name, (answer, takes) in FUNCTIONS.items():
        function = getattr(go, name)
        function.argtypes = takes
        _answers(function, answer, go)


def _answers(function: Any, answer: str, go: ctypes.CDLL) -> None:
    """Copy what the engine allocated for its answer, and give it back to the engine at once."""
    if answer == TEXT:
        function.restype, function.errcheck = c_void_p, _taking_text(go)
    elif answer == BYTES:
        function.restype, function.errcheck = POINTER(Answer), _taking_bytes(go)
    else:
        function.restype = None


def _taking_text(go: ctypes.CDLL) -> Callable[..., bytes]:
    def take(answer: int | None, _function: Any, _arguments: Any) -> bytes:
        if not answer:
            return b""
        try:
            return ctypes.string_at(answer)
        finally:
            go.FreeString(answer)

    return take


def _taking_bytes(go: ctypes.CDLL) -> Callable[..., bytes]:
    def take(answer: Any, _function: Any, _arguments: Any) -> bytes:
        if not answer:
            return b""
        try:
            contents = answer.contents
            return ctypes.string_at(contents.data, contents.size) if contents.data else b""
        finally:
            go.FreeBytesStruct(answer)

    return take
