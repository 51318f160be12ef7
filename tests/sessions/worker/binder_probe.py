"""Prints, as JSON, how neonize itself declares what a worker uses of it, and how we do.

A program of its own, because neonize's modules and ours would each declare the same loaded functions. Only those of its modules
are imported that need none of its client's libraries.
"""

from __future__ import annotations

import ctypes
import json
import sys
from types import ModuleType
from typing import Any

from sessions.worker import library as ours

KINDS = {"consume_cstring": ours.TEXT, "consume_bytes_struct": ours.BYTES}


def described(kind: Any) -> Any:
    """Answer a ctypes type in words that two declarations of the same thing share."""
    if kind is None:
        return "nothing"
    if hasattr(kind, "_argtypes_"):
        return ["callback", described(kind._restype_), [described(one) for one in kind._argtypes_]]
    if issubclass(kind, ctypes.Structure):
        return ["struct", [described(one) for _name, one, *_ in kind._fields_]]
    if hasattr(kind, "contents"):
        return ["pointer", described(kind._type_)]
    return kind.__name__


def import_without_its_package(name: str) -> None:
    package = ModuleType(name)
    package.__path__ = [str(ours._package() / "/".join(name.split(".")[1:]))]
    sys.modules[name] = package


def theirs() -> dict[str, Any]:
    for name in ("neonize", "neonize.utils"):
        import_without_its_package(name)
    from neonize import _binder as binder
    from neonize.events import INT_TO_EVENT

    functions = {}
    for name in ours.FUNCTIONS:
        function: Any = getattr(binder.gocode, name)
        kind = KINDS.get(getattr(function.errcheck, "__name__", ""), ours.NOTHING)
        functions[name] = [kind, [described(one) for one in function.argtypes]]
    return {
        "functions": functions,
        "answer": described(binder.Bytes),
        "events": {str(code): kind.DESCRIPTOR.full_name for code, kind in INT_TO_EVENT.items()},
    }


def main() -> None:
    functions = {name: [answer, [described(one) for one in takes]] for name, (answer, takes) in ours.FUNCTIONS.items()}
    mine = {"functions": functions, "answer": described(ours.Answer)}
    json.dump({"ours": mine, "theirs": theirs()}, sys.stdout)


main()
