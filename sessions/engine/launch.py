"""How a worker is started: command, environment, and what its first frame tells it."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sessions.frames import LabKeys
from sessions.inbox import inbox_name

LOW_WATER_BYTES = 64 * 1024 * 1024
"""Free bytes under which workers disconnect: enough for every write-ahead log and what is still on its way."""

BEGIN_ABOVE = 1.25
"""So many times the low water must be free before a session is opened again."""

# The engine's library reads the environment its process was started with; nothing of the hub's secrets is in it.
_PASSED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
_PASSED_OUTSIDE_LAB = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")


@dataclass(frozen=True, slots=True)
class Lab:
    """The local WhatsApp: proxy URL, its certificate authority's file, its root key (64 hex digits)."""

    proxy: str
    ca: Path
    root_key: str

    @property
    def keys(self) -> LabKeys:
        """What a worker is told."""
        return LabKeys(proxy=self.proxy, root_key=self.root_key)


def free_bytes(path: Path) -> int:
    """Bytes that may still be written where *path* lies."""
    return shutil.disk_usage(path).free


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything a new worker needs. `threads`: calls into its engine at once; `command` gets two descriptor numbers appended."""

    spool: Path
    lab: Lab | None = None
    low_water_bytes: int = LOW_WATER_BYTES
    sync: str = "normal"
    threads: int = 64
    free_bytes: Callable[[Path], int] = free_bytes
    command: tuple[str, ...] = field(default=(sys.executable, "-I", "-m", "sessions.worker"))

    def environment(self, own: Mapping[str, str] | None = None) -> dict[str, str]:
        """Answer the environment a worker starts with."""
        own = os.environ if own is None else own
        names = _PASSED if self.lab else _PASSED + _PASSED_OUTSIDE_LAB
        chosen = {name: own[name] for name in names if name in own}
        chosen["NEONIZE_BOT_TAG"] = "off"  # or every direct message says that a bot wrote it
        # Else the C library keeps memory apart for nearly every thread, up to eight times the cores: see docs/benchmarks.md.
        chosen["MALLOC_ARENA_MAX"] = "2"
        if self.lab:
            chosen["SSL_CERT_FILE"] = str(self.lab.ca)
        return chosen

    @property
    def disk_low(self) -> bool:
        """Whether the disk is too full to begin anything: some way above the mark at which workers disconnect."""
        return self.free_bytes(self.spool) < BEGIN_ABOVE * self.low_water_bytes

    def proxy(self, own: Mapping[str, str] | None = None) -> str | None:
        """Answer the URL of the proxy that workers go through, if any."""
        if self.lab:
            return self.lab.proxy
        environment = self.environment(own)
        return environment.get("HTTPS_PROXY") or environment.get("https_proxy") or None

    def new_inbox(self, worker: str) -> Path:
        """Answer the file for one start of *worker*: never used before."""
        return self.spool / inbox_name(worker, secrets.token_hex(8))
