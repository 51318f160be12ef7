"""What only the engine knows by heart: the word tables of the binary stanzas, and the protobuf descriptors.

Both are read out of the installed engine by a child process (`lab.engine_tables`), since loading the engine starts Go in
the process that does so. The answer is kept in a file, one for each version of the engine.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

ENGINE: Final = "neonize"
_CHILD_DEADLINE_S: Final = 60
_FORMAT: Final = 1


class DictionaryError(Exception):
    """The engine is not installed, or its tables could not be read."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """`single[i]` is written as byte i (entry 0 is empty); `double[t][i]` as byte 236 + t and byte i. `descriptors` are
    serialized FileDescriptorProtos, each after those it imports."""

    single: tuple[str, ...]
    double: tuple[tuple[str, ...], ...]
    descriptors: tuple[bytes, ...]


def load(cache: Path) -> Dictionary:
    """The installed engine's dictionary, from the folder *cache* (made if missing) or from the engine.

    The first call for a version takes about a second and blocks. Several processes may call at once: each writes a file
    of its own and renames it. Raises DictionaryError.
    """
    kept = cache / f"engine-{_engine_version()}-{_FORMAT}.msgpack"
    return _read(kept) or _ask_engine(kept)


def _engine_version() -> str:
    try:
        return importlib.metadata.version(ENGINE)
    except importlib.metadata.PackageNotFoundError as error:
        raise DictionaryError(f"{ENGINE} is not installed") from error


def _read(kept: Path) -> Dictionary | None:
    try:
        return msgspec.msgpack.decode(kept.read_bytes(), type=Dictionary)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _ask_engine(kept: Path) -> Dictionary:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".engine-", dir=kept.parent) as folder:
        fresh = Path(folder) / "tables"
        _run_child(fresh)
        dictionary = _read(fresh)
        if dictionary is None:
            raise DictionaryError("the engine's tables were read, but not in a form that is known")
        fresh.replace(kept)
    return dictionary


def _run_child(output: Path) -> None:
    command = [sys.executable, "-m", "lab.engine_tables", ENGINE, os.fspath(output)]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=_CHILD_DEADLINE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise DictionaryError(f"the engine's tables were not read within {_CHILD_DEADLINE_S} s") from error
    if child.returncode:
        raise DictionaryError(f"the engine's tables could not be read: {child.stderr.strip()[-500:]}")
