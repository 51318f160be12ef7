"""The service as a container has it: its wheel, built from what `.dockerignore` lets through, and nothing else but what it needs to run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the service in it, and no way to the project's folder."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def vigia(self) -> Path:
        return self.folder / "bin" / "vigia"

    def run(self, *command: str | Path, folder: Path) -> str:
        """Answer what *command* printed in *folder*."""
        ended = subprocess.run(
            list(map(str, command)), cwd=folder, env=bare(), capture_output=True, text=True, timeout=120, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


def bare(**more: str) -> dict[str, str]:
    """Answer an environment with nothing of this project in it."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ} | more


def install(folder: Path) -> Installed:
    """Build the wheel and install it into *folder*, without the network."""
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=_ignored)
    _do([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], source)
    made = Installed(folder / "env")
    _do([sys.executable, "-m", "venv", "--without-pip", str(made.folder)], folder)
    (wheel,) = folder.glob("*.whl")
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    _do([uv, "pip", "install", "-q", "--offline", "--no-deps", "--python", str(made.python), str(wheel)], folder)
    (packages,) = made.folder.glob("lib/python*/site-packages")
    for name in needed():
        _link(distribution(name), packages)
    return made


def needed() -> set[str]:
    """Answer the names of everything that the service needs to run, by what each distribution says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found: set[str] = set()
    left = [Requirement(line) for line in project["dependencies"]]
    while left:
        one = left.pop()
        name = canonicalize_name(one.name)
        if one.marker and not any(one.marker.evaluate({"extra": extra}) for extra in (*one.extras, "")):
            continue
        if name not in found:
            found.add(name)
            left += _of(name, one.extras)
    return found


def ignored(path: str) -> bool:
    """Answer whether `.dockerignore` keeps *path*, relative to the project, out."""
    patterns = (ROOT / ".dockerignore").read_text("utf-8").split()
    parts = Path(path).parts
    starts = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return any(_matches(start, pattern) for start in starts for pattern in patterns)


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch(Path(path).name, pattern.removeprefix("**/"))
    return "/" not in path and fnmatch(path, pattern)


def _ignored(folder: str, names: list[str]) -> list[str]:
    inside = Path(folder).relative_to(ROOT)
    return [name for name in names if ignored((inside / name).as_posix())]


def _of(name: str, extras: set[str]) -> Iterator[Requirement]:
    for line in distribution(name).requires or ():
        one = Requirement(line)
        if not one.marker or any(one.marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            one.marker = None
            yield one


def _link(found: Distribution, packages: Path) -> None:
    """Link what *found* installed into *packages*, top folder by top folder."""
    for top in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
        target = packages / top
        if not target.exists() and not top.endswith(".pth"):
            target.symlink_to(Path(str(found.locate_file(top))))


def _do(command: list[str], folder: Path) -> None:
    ended = subprocess.run(command, cwd=folder, env=bare(), capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
