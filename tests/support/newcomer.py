"""A copy of the project as a newcomer has it, and a terminal in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
LEFT_OUT = (".git", ".venv", "data", "dist", "node_modules", "__pycache__", ".*_cache", ".hypothesis", ".env*")
MARK = "--- that was it:"


def fresh_copy(folder: Path) -> Path:
    """Copy the project to *folder*, set up: its `.venv` leads to the environment that runs this test, and nothing is downloaded."""
    copy = folder / "vigia"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    shutil.copy(ROOT / ".env.supabase.example", copy)
    (copy / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".setup-done":
            (copy / ".venv" / entry.name).symlink_to(entry)
    setup = (copy / "scripts" / "setup").read_text("utf-8")
    wanted = next(line for line in setup.splitlines() if line.startswith("want="))
    subprocess.run(["/bin/sh", "-c", f'{wanted}; echo "$want" > .venv/.setup-done'], cwd=copy, check=True)
    return copy


class Terminal:
    """One shell, as a person uses it: what a command sets, the next one has. Use as a context manager."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shell.communicate(timeout=60)

    def paste(self, command: str) -> str:
        """Answer what *command* printed. Raises AssertionError when it failed."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{command}\nprintf '\\n%s %s\\n' '{MARK}' $?\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        while not (line := self._shell.stdout.readline()).startswith(MARK):
            assert line, f"the shell ended: {command}"
            lines.append(line)
        assert line.split()[-1] == "0", f"{command}\n{''.join(lines)}"
        return "".join(lines)


@contextmanager
def typed(command: str, folder: Path, environment: Mapping[str, str]) -> Generator[subprocess.Popen[str]]:
    """Run *command* in a terminal of its own until the test is done with it; Ctrl-C ends it, and all that it started."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"], cwd=folder, env=dict(environment), stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()
