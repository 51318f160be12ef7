"""A log file that only its owner reads: put aside by size, compressed, and never in the way of the service."""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

FILE_BYTES = 10 * 1024 * 1024
"""Size at which a log file is put aside as `.1.gz`, `.2.gz`, ..."""
FILES_KEPT = 5
"""Files put aside of each log; the oldest is removed."""
_UNPACKED = ".raw"


@dataclass(frozen=True, slots=True)
class Style:
    """How lines are written, and how much of them is kept: bytes of a file, files put aside of each."""

    json: bool = False
    file_bytes: int = FILE_BYTES
    files_kept: int = FILES_KEPT


class PrivateFile(RotatingFileHandler):
    """A rotating file that only its owner reads. When the disk refuses, it says so once and lets the service go on."""

    def __init__(self, path: Path, console: TextIO, style: Style) -> None:
        self._console = console
        self._failing = self._said = False
        self._packing: list[threading.Thread] = []
        super().__init__(path, maxBytes=style.file_bytes, backupCount=style.files_kept, encoding="utf-8")
        self.namer = lambda name: f"{name}.gz"
        for left in path.parent.glob(f"{path.name}.*.gz{_UNPACKED}"):  # the last process ended in the middle
            self._pack(left)

    def rotate(self, source: str, dest: str) -> None:
        """Put a full file aside. It is compressed beside the service's work, which must not wait for it."""
        self._packed()
        aside = Path(dest + _UNPACKED)
        Path(source).rename(aside)
        self._pack(aside)

    def doRollover(self) -> None:
        """Shift what was put aside before, once it is all compressed."""
        self._packed()
        super().doRollover()

    def close(self) -> None:
        """Close the file, and wait until what was put aside is compressed."""
        super().close()
        self._packed()

    def _pack(self, aside: Path) -> None:
        thread = threading.Thread(target=_compress, args=(aside,), name=f"compress-{aside.name}")
        self._packing.append(thread)
        thread.start()

    def _packed(self) -> None:
        while self._packing:
            self._packing.pop().join()

    def _open(self) -> TextIOWrapper:
        file = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.fchmod(file, 0o600)  # it may be there from before, open to others
        return os.fdopen(file, "a", encoding=self.encoding)

    def emit(self, record: logging.LogRecord) -> None:
        self._failing = False
        super().emit(record)
        self._said = self._failing

    def handleError(self, record: logging.LogRecord) -> None:
        self._failing = True
        if not self._said:
            with suppress(OSError):
                self._console.write(f"The log {self.baseFilename} cannot be written: {sys.exc_info()[1]}\n")


def _compress(aside: Path) -> None:
    """Make `x.1.gz` of `x.1.gz.raw`; what cannot be compressed stays as it is."""
    packed = aside.with_name(aside.name.removesuffix(_UNPACKED))
    draft = packed.with_name(packed.name + ".part")
    try:
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with aside.open("rb") as whole, os.fdopen(file, "wb") as raw, gzip.GzipFile("", "wb", 3, raw) as small:
            shutil.copyfileobj(whole, small)
        draft.rename(packed)
        aside.unlink()
    except OSError:
        draft.unlink(missing_ok=True)
