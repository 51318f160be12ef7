"""One WhatsApp account kept connected: one task that hears what happened, goes to the state it means, and connects again in time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextvars import Context  # a session outlives the request that started it, and must not bear its name
from dataclasses import dataclass, field, replace

from loguru import logger

from sessions import frames
from sessions.backoff import Random, Retry, wait_s
from sessions.errors import Deadline, DiskFull, GivenUp, Locked, SessionsError, WorkerGone
from sessions.model import Identity, Life, SessionId, Sign
from sessions.policy import Verdict, judge
from sessions.ports import Changed, Keep, Opener, Reachable
from sessions.register import Record, Register, without_credentials
from sessions.state import RUNNING, UNPAIRED, Reason, State, StateCell, Status

STEADY_S = 60.0  # connected for so long, earlier failures are forgotten
SETTLE_S = 45.0  # a start that has shown neither success nor failure by then is made anew
MAX_NEWS = 10_000

_KEPT_AT_START = frozenset({Reason.BANNED})
"""Reasons that a restart of the service does not make worth another try before their time."""

_DURABLE = UNPAIRED | _KEPT_AT_START | {Reason.STOPPED}
"""Reasons that still hold when the service starts again. Whatever else a session was, it then connects anew."""

_WHILE_RUNNING = frozenset({Reason.RECONNECTING, Reason.DEAF})
"""What says nothing new about a session that a verdict holds: a banned one is disconnected too."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The session's worker ended; `given_up` when it is not started again. `at`: monotonic seconds."""

    given_up: bool
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class LowDisk:
    """The session's worker disconnected it for want of disk."""


News = frames.Notice | Lost | LowDisk


@dataclass(frozen=True, slots=True)
class Tools:
    """What a session works with. `clock`: unix seconds; `chance`: jitter."""

    engine: Opener
    reachable: Reachable
    register: Register
    keep: Keep
    changed: Changed
    clock: Callable[[], float] = time.time
    chance: Random = random.random


class Session:
    """An account with credentials. `start` to keep it connected, `stop` to let it go; `hear` from the engine."""

    def __init__(self, record: Record, tools: Tools) -> None:
        self._record = record
        self._tools = tools
        self._cell = StateCell(_first_state(record, tools.clock()), tools.clock, self._on_change)
        self._news: asyncio.Queue[News] = asyncio.Queue(MAX_NEWS)
        self._task: asyncio.Task[None] | None = None
        self._open_at: float | None = None  # monotonic; when to connect (again)
        self._trying = False  # a start is under way: what is planned then is only a look whether it came to anything
        self._failures: dict[Retry, int] = {}
        self._connected_at: float | None = None
        self._opened_at = float("-inf")  # monotonic

    @property
    def id(self) -> SessionId:
        """Our name of it."""
        return self._record.id

    @property
    def record(self) -> Record:
        """What outlives a restart."""
        return self._record

    @property
    def state(self) -> State:
        """Where it is."""
        return self._cell.now

    @property
    def retry_in_s(self) -> float | None:
        """Seconds until it connects again by itself, when that is planned."""
        if self._open_at is None or self._trying or self.state.reason.status is Status.CONNECTED:
            return None
        return max(0.0, self._open_at - time.monotonic())

    def move(self, reason: Reason, detail: str = "") -> None:
        """Go to *reason*: for its pairing, which shares the state."""
        self._cell.move(reason, detail)

    def start(self) -> None:
        """Keep it connected from now on; one that waits for its next try makes it now, unless a ban has not ended."""
        if not self._record.wanted:
            self._save(replace(self._record, wanted=True))
        self._failures.clear()
        wait = self._not_before()
        self._open_at = time.monotonic() + wait
        if not wait:
            self._cell.move(Reason.STARTING)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"session-{self.id[:8]}", context=Context())
        elif self._news.empty():
            self._news.put_nowait(_NOTHING)  # wakes the task, so that it looks at the time again

    async def stop(self, reason: Reason | None = Reason.STOPPED) -> None:
        """Let it go: disconnected, not wanted any more. With no *reason* (the service ends) its state and wish stay as they are."""
        task, self._task = self._task, None
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if reason is None:
            return
        await self._tools.engine.close(self.id)
        self._open_at = None
        self._save(replace(self._record, wanted=False))
        if self.state.reason not in UNPAIRED:
            self._cell.move(reason)

    def adopt(self, identity: Identity) -> None:
        """Take the credentials that a pairing brought."""
        self._save(replace(self._record, identity=identity, wanted=True, retry_at=None))

    def forget(self, reason: Reason = Reason.LOGGED_OUT) -> None:
        """Note that the account was unlinked: only a pairing leads on."""
        self._open_at = None
        self._save(without_credentials(self._record, reason, self._tools.clock()))
        self._cell.move(reason)

    def hear(self, news: News) -> None:
        """Take note of what the engine said. Heard in order, by the session's own task."""
        if self._news.full():
            logger.error("Session {} does not keep up with its news: some is lost", self.id)
        elif self._task and not self._task.done():
            self._news.put_nowait(news)

    # -- the session's own task ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            news = await self._next()
            try:
                if news is None:
                    await self._open()
                else:
                    await self._take(news)
            except Exception:  # noqa: BLE001  # one session's fault is not the next one's; it tries again
                logger.exception("Session {} met a fault of ours", self.id)
                if self._record.paired:
                    self._again(Retry.REOPEN)

    async def _next(self) -> News | None:
        """Answer the next news, or None when it is time to connect."""
        while True:
            try:
                # Not wait_for: news that is here already comes first, whatever the time, and a cancellation is never lost to it.
                async with asyncio.timeout(None if self._open_at is None else self._open_at - time.monotonic()):
                    news = await self._news.get()
            except TimeoutError:
                return None
            if news is not _NOTHING:
                return news

    async def _open(self) -> None:
        self._open_at = None
        if not await self._tools.reachable():
            self._go(Verdict(Reason.UNREACHABLE, retry=Retry.FIRST_CONNECT))
            return
        if self.state.reason is not Reason.DEAF:  # a deaf session says so until it hears again
            self._cell.move(Reason.STARTING)
        self._open_at = time.monotonic() + SETTLE_S
        self._trying = True
        try:
            await self._tools.engine.open(self.id, self._tools.register.database(self.id))
        except Locked:
            self._go(Verdict(Reason.LOCKED, retry=Retry.LOCKED))
        except DiskFull:
            self._go(Verdict(Reason.DISK_FULL, retry=Retry.DISK_FULL))
        except WorkerGone:
            self._go(Verdict(Reason.WORKER_RESTARTING, retry=Retry.WORKER))
        except GivenUp:
            self._go(Verdict(Reason.CRASH_LOOP))
        except Deadline:
            self._go(Verdict(Reason.UNREACHABLE, retry=Retry.FIRST_CONNECT))
        except SessionsError as error:
            logger.error("Session {} could not be opened: {} ({})", self.id, error, error.code)
            self._go(Verdict(Reason.REFUSED, retry=Retry.REFUSED))
        else:
            self._opened_at = time.monotonic()

    async def _take(self, news: News) -> None:
        if not self._record.paired:
            return  # said before it was unlinked; only a pairing leads on
        match news:
            case frames.Alive():
                await self._alive(news.life)
            case frames.Ended():
                self._ended(news)
            case frames.Probed():
                self._probed(news)
            case Lost():
                self._lost(news)
            case LowDisk():
                self._go(Verdict(Reason.DISK_FULL, retry=Retry.DISK_FULL))
            case frames.Qr() | frames.LoginStatus():
                # A resident session is never paired: its credentials are gone, so the engine offers a code.
                await self._unlinked()
            case frames.LowDisk():
                pass  # told to all sessions of the worker as our own LowDisk

    async def _alive(self, life: Life) -> None:
        if life.sign is Sign.IDENTITY and life.identity:
            self._save(replace(self._record, identity=life.identity))
        verdict = judge(life)
        if verdict is None or (verdict.reason in _WHILE_RUNNING and not self._runs):
            return
        if verdict.reason is Reason.DEAF and self.state.reason is not Reason.CONNECTED:
            return
        if verdict.reason is Reason.LOGGED_OUT:
            await self._unlinked()
        elif verdict.reason is Reason.CONNECTED:
            self._connected()
        else:
            self._go(verdict)

    def _connected(self) -> None:
        self._open_at = None
        self._trying = False
        self._connected_at = time.monotonic()
        self._save(replace(self._record, retry_at=None))
        self._cell.move(Reason.CONNECTED)

    def _ended(self, news: frames.Ended) -> None:
        """The engine's thread is over: whatever it was, the session is opened again, unless it waits for something else."""
        if not self._runs:
            return
        if news.error == "unreachable":
            self._go(Verdict(Reason.UNREACHABLE, retry=Retry.FIRST_CONNECT))
        else:
            logger.warning("Session {}: the engine ended it ({}: {})", self.id, news.error, news.detail)
            self._go(Verdict(Reason.DEAF, retry=Retry.REOPEN))

    def _probed(self, news: frames.Probed) -> None:
        if self.state.reason is Reason.CONNECTED and not news.answered:
            self._go(Verdict(Reason.DEAF, retry=Retry.REOPEN))
        elif self.state.reason is Reason.DEAF and news.answered:
            self._connected()

    def _lost(self, news: Lost) -> None:
        if news.at < self._opened_at:
            return  # it is open in the next worker by now
        if news.given_up:
            self._open_at = None
            self._cell.move(Reason.CRASH_LOOP)
        elif self._runs:
            self._cell.move(Reason.WORKER_RESTARTING)
            self._open_at = time.monotonic()

    @property
    def _runs(self) -> bool:
        """Whether the engine has it, or is about to: neither given up nor waiting for a verdict's time."""
        return self.state.reason in RUNNING

    async def _unlinked(self) -> None:
        """Say so at once; then leave the worker, so that a pairing finds the file free."""
        self.forget()
        await self._tools.engine.close(self.id)

    def _go(self, verdict: Verdict) -> None:
        """Go where a verdict says, and plan the next try as it says."""
        self._open_at = None
        self._trying = False
        if verdict.retry:
            self._again(verdict.retry, at_least_s=verdict.after_s or 0.0)
        elif verdict.after_s is not None:
            self._open_at = time.monotonic() + verdict.after_s
        self._cell.move(verdict.reason, self._detail(verdict))
        if verdict.reason in _KEPT_AT_START and self._open_at is not None:
            self._save(replace(self._record, retry_at=self._tools.clock() + self._open_at - time.monotonic()))

    def _again(self, kind: Retry, *, at_least_s: float = 0.0) -> None:
        if self._connected_at is not None and time.monotonic() - self._connected_at > STEADY_S:
            self._failures.clear()
        self._connected_at = None
        self._failures[kind] = self._failures.get(kind, 0) + 1
        wait = max(at_least_s, wait_s(kind, self._failures[kind], self._tools.chance))
        self._open_at = time.monotonic() + wait

    def _detail(self, verdict: Verdict) -> str:
        if verdict.reason is Reason.BANNED and self._open_at is not None:
            until = self._tools.clock() + self._open_at - time.monotonic()
            return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(round(until)))
        return verdict.detail

    def _not_before(self) -> float:
        if self.state.reason in _KEPT_AT_START and self._record.retry_at:
            return max(0.0, self._record.retry_at - self._tools.clock())
        return 0.0

    def _on_change(self, before: State, now: State) -> None:
        if now.reason in _DURABLE:
            self._save(replace(self._record, reason=now.reason.code, detail=now.detail, since=now.since))
        _log_change(self.id, before, now)
        self._tools.changed(self.id, before, now)

    def _save(self, record: Record) -> None:
        if record != self._record:
            self._record = record
            self._tools.keep(record)


_NOTHING = frames.LowDisk()


def _first_state(record: Record, now: float) -> State:
    """Where a session stands when the service starts: what it was, for those that do not run."""
    reason = next((one for one in Reason if one.code == record.reason), Reason.NEVER_PAIRED)
    if not record.paired:
        fitting = reason if reason in UNPAIRED else Reason.NEVER_PAIRED
        return State(fitting, record.detail, record.since or now)
    if not record.wanted:
        return State(Reason.STOPPED, "", record.since or now)
    if reason in _KEPT_AT_START and (record.retry_at or 0) > now:
        return State(reason, record.detail, record.since)
    return State(Reason.STARTING, "", now)


def _log_change(session: SessionId, before: State, now: State) -> None:
    """First failures are warnings, recoveries say how long it took, the steps between are for whoever looks closely."""
    lasted = now.since - before.since
    if now.reason is Reason.CONNECTED:
        logger.info("Session {} is connected, after {:.1f} s {}", session, lasted, before.reason.code)
    elif now.reason.status is Status.ERROR or before.reason is Reason.CONNECTED:
        logger.warning("Session {}: {} after {:.1f} s {}", session, now.reason.code, lasted, before.reason.code)
    else:
        logger.debug("Session {}: {} -> {}", session, before.reason.code, now.reason.code)
