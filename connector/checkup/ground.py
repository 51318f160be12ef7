"""What the steps stand on: the settings, the folder, the database, each once it was found, and what is given back at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeVar

from connector import settings
from connector.datadir import DataDir
from connector.settings import Settings
from connector.store.store import Transport
from sessions.engine import Lab, Launch

T = TypeVar("T")


class Database(Transport, Protocol):
    """A configured database, however it is reached."""

    async def greet(self) -> str:
        """Answer what lets us in, as "PostgreSQL 17.4". Raises `StoreError` when it cannot be reached or does not let us in."""
        ...


def launch_for(settings: Settings, spool: Path) -> Launch:
    """Answer how the service starts a worker, with its inbox in another folder."""
    lab = settings.lab and Lab(proxy=settings.lab.proxy, ca=settings.lab.ca, root_key=settings.lab.root_key)
    return Launch(spool=spool, lab=lab)


@dataclass(slots=True)
class Ground:
    """What is known so far. `database` is given by a service that runs; the steps find their own without it.

    `holder` is the process of the service that uses the folder, 0 while nobody does: then the folder is held for the checkup.
    """

    load: Callable[[], Settings] = settings.load
    launch: Callable[[Settings, Path], Launch] = launch_for
    database: Database | None = None
    found: Settings | None = None
    folder: DataDir | None = None
    holder: int = 0
    clocks: dict[str, float] = field(
        default_factory=dict[str, float]
    )  # how far others' clocks are before ours, in seconds
    parts: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def settings(self) -> Settings:
        """The settings, once their step was taken."""
        return _known(self.found)

    @property
    def data(self) -> DataDir:
        """The data folder, once its step was taken."""
        return _known(self.folder)

    @property
    def store(self) -> Database:
        """The database, once its step was taken."""
        return _known(self.database)

    def scratch(self, name: str) -> Path:
        """Answer a fresh folder of the data folder, which is removed at the end."""
        place = self.data.path / f".check-{os.getpid()}-{name}"
        self.parts.callback(shutil.rmtree, place, ignore_errors=True)
        place.mkdir(mode=0o700)
        return place

    async def __aenter__(self) -> Ground:
        """Begin with nothing known."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.parts.aclose()


def _known(thing: T | None) -> T:
    if thing is None:
        raise LookupError("a step was taken before the one that it needs")
    return thing
