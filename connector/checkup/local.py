"""Steps that look at this machine: settings, folder, disk, port, keys, limits."""

from __future__ import annotations

import json
import locale
import os
import resource
import shutil
import stat
import sys
import time
from asyncio import to_thread
from http import HTTPStatus

import aiohttp

from connector import datadir, keyfile, settings
from connector.api.health import LIVE
from connector.api.sockets import bind
from connector.checkup.ground import Ground
from connector.checkup.steps import Finding, failed, fine, told, warned
from connector.datadir import DataDir, DataDirLock, FolderTaken
from connector.failures import StartFailure
from sessions.engine.launch import BEGIN_ABOVE, LOW_WATER_BYTES

FREE_BYTES = 1024 * 1024 * 1024
"""Under this much free space somebody should know: a day without the database may need it."""
SYNC_S = 0.5
"""A disk that takes longer to keep 64 kB delays every send."""
DESCRIPTORS = 1024
"""What a worker with 25 sessions may need, and then some."""


async def right_settings(ground: Ground) -> Finding:
    """All at once, as the start tells them."""
    ground.found = ground.load()
    given = sorted(name.upper() for name in ground.found.model_fields_set)
    heard = settings.warnings(ground.found)
    if heard:
        return warned(" ".join(heard), "Correct it, or leave it if it is meant so.")
    return fine(f"set: {', '.join(given)}" if given else "none is set: everything is as by default")


async def folder(ground: Ground) -> Finding:
    """Made, closed to others and written, as the start does it."""
    path = ground.settings.data_dir
    began = time.monotonic()
    ground.folder = await to_thread(datadir.prepare, path)
    took = time.monotonic() - began
    owner = _owner(ground.folder)
    if owner != os.geteuid():
        return failed(
            f"DATA_DIR {path} is used by user {owner}, and this check runs as {os.geteuid()}.",
            "Run it as the user of the service: files made by another one would be in its way.",
        )
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        return warned(
            f"DATA_DIR {path} stays open to other users: this file system does not let us close it.",
            "Put it on a file system that knows rights, or mount it for this user alone.",
        )
    if took > SYNC_S:
        return warned(f"{path} takes {took:.1f} s to keep 64 kB for good.", "Put DATA_DIR on a faster disk.")
    return fine(f"{path}, for its owner alone; a write is kept for good after {took * 1000:.0f} ms")


def _owner(data: DataDir) -> int:
    marked = data.lock if data.lock.exists() else data.path
    return marked.stat().st_uid


async def disk(ground: Ground) -> Finding:
    """Enough for the sessions to stay connected."""
    free = datadir.free_bytes(ground.data.path)
    remedy = f"Free some space, or set DATA_DIR to a folder on another disk (now {ground.data.path})."
    if free < BEGIN_ABOVE * LOW_WATER_BYTES:
        least = BEGIN_ABOVE * LOW_WATER_BYTES / 2**20
        return failed(f"{free / 2**20:.0f} MB are free: under {least:.0f} MB no session is connected.", remedy)
    if free < FREE_BYTES:
        return warned(f"{free / 2**20:.0f} MB are free: little for a day on which the database is away.", remedy)
    return fine(f"{free / 2**30:.1f} GB free")


async def service(ground: Ground) -> Finding:
    """Whether one runs on this folder. While none does, none can start until the checkup is over."""
    lock = DataDirLock(ground.data)
    try:
        ground.parts.enter_context(lock)
    except FolderTaken as taken:
        ground.holder = taken.holder
        return fine(f"a Vigia (process {taken.holder}) runs on this folder")
    for left in ground.data.path.glob(".check-*"):  # by a checkup that was killed
        shutil.rmtree(left, ignore_errors=True)
    return fine("no Vigia runs on this folder")


async def port(ground: Ground) -> Finding:
    """Free while no service runs, answered by it while one does."""
    host, number = ground.settings.host, ground.settings.port
    try:
        for listener in bind(host, number):
            listener.close()
    except StartFailure as failure:
        if not await _vigia_answers(host, number):
            return told(str(failure))
        if ground.holder:
            return fine(f"a Vigia answers on {host}:{number}")
        return warned(f"Another Vigia, with another DATA_DIR, answers on {host}:{number}.", "Set PORT to a free one.")
    if ground.holder:
        return warned(
            f"A Vigia runs on this folder, and nobody listens on {host}:{number}.",
            "Run this check with the settings of that service, from its folder.",
        )
    return fine(f"{host}:{number} is free")


async def _vigia_answers(host: str, number: int) -> bool:
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it is asked here, not bound
    address = f"http://{f'[{name}]' if ':' in name else name}:{number}{LIVE}"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http,
            http.get(address, allow_redirects=False) as answer,
        ):
            said = json.loads(await answer.content.read(1024))
            return answer.status == HTTPStatus.OK and isinstance(said, dict) and "lab" in said
    except (aiohttp.ClientError, OSError, ValueError):
        return False


async def keys(ground: Ground) -> Finding:
    """Readable, whole, and their owner's alone. Those that are missing are made by the start."""
    given = ground.settings.api_key is not None
    files = [] if given else [ground.data.api_key]
    if ground.settings.webhook_url and not ground.settings.webhook_secret:
        files.append(ground.data.webhook_secret)
    for path in files:
        if path.exists():
            keyfile.read_or_make(path)
    missing = [path.name for path in files if not path.exists()]
    if missing:
        return fine(f"the start makes {' and '.join(missing)}")
    return fine("the API key is the one in API_KEY" if given else f"the API key is in {ground.data.api_key}")


async def descriptors(_ground: Ground) -> Finding:
    """The engine raises the lower limit to the upper one itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        return warned(
            f"A process may open {hard} files at most.",
            f"Allow {DESCRIPTORS} or more: `ulimit -Hn`, or LimitNOFILE= in a systemd unit.",
        )
    return fine(f"{soft} open files, {'as many as wanted' if hard == resource.RLIM_INFINITY else hard} at most")


async def language(_ground: Ground) -> Finding:
    """Names of files are UTF-8 whatever the locale; one that is not installed does no harm."""
    if sys.getfilesystemencoding().lower() != "utf-8":
        return warned(
            f"Names of files are read as {sys.getfilesystemencoding()}.",
            "Start Vigia with PYTHONUTF8=1 or LC_ALL=C.UTF-8.",
        )
    try:
        locale.setlocale(locale.LC_CTYPE, "")
    except locale.Error:
        return fine("UTF-8; the locale that the environment names is not installed, which is no matter")
    return fine("UTF-8")
