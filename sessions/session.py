"""One WhatsApp account kept connected: one task that hears what happened, goes to the state it means, and connects again in time."""

from __future__ import annotations

import asyncio
import time
from contextvars import Context  # a session outlives the request that started it, and must not bear its name

from loguru import logger

from sessions import frames
from sessions.backoff import Retry
from sessions.errors import SessionsError
from sessions.lasting import KEPT_AT_START, Lasting, first_state, log_change
from sessions.mailbox import Mailbox
from sessions.model import Identity, Life, Loss, SessionId, Sign
from sessions.news import Lost, LowDisk, News
from sessions.plan import Plan
from sessions.policy import GIVEN_UP, ISOLATED, Verdict, judge, refusal, unlinks
from sessions.ports import Tools
from sessions.register import Record
from sessions.state import RUNNING, UNPAIRED, Reason, State, StateCell, Status

SETTLE_S = 45.0  # opened, and neither success nor failure by then: it is opened anew

_WHILE_RUNNING = frozenset({Reason.RECONNECTING, Reason.DEAF})
"""What says nothing new about a session that a verdict holds: a banned one is disconnected too."""

_NO_DISK = frozenset({Reason.DISK_FULL, Reason.UNWRITABLE})

_LOSSES = {Loss.GIVEN_UP: GIVEN_UP, Loss.ISOLATED: ISOLATED}


class Session:
    """An account with credentials. `start` to keep it connected, `stop` to let it go; `hear` from the engine."""

    def __init__(self, record: Record, tools: Tools) -> None:
        self._tools = tools
        self._lasting = Lasting(record, tools.keep, tools.clock)
        self._cell = StateCell(first_state(record, tools.clock()), tools.clock, self._on_change)
        self._news = Mailbox()
        self._task: asyncio.Task[None] | None = None
        self._plan = Plan(tools.chance)
        self._engine = asyncio.Lock()  # opened or closed, never both at once
        self._has_turn = False
        self._opened_at = float("-inf")  # monotonic
        self._started = asyncio.Event()  # not while it starts
        if self.state.reason is not Reason.STARTING:
            self._started.set()

    @property
    def id(self) -> SessionId:
        """Our name of it."""
        return self._lasting.record.id

    @property
    def record(self) -> Record:
        """What outlives a restart."""
        return self._lasting.record

    @property
    def state(self) -> State:
        """Where it is."""
        return self._cell.now

    @property
    def retry_in_s(self) -> float | None:
        """Seconds until it connects again by itself, when that is planned."""
        return None if self.state.reason.status is Status.CONNECTED else self._plan.retry_in_s

    @property
    def trying_s(self) -> float | None:
        """Seconds since the try that is under way began."""
        return self._plan.trying_s

    @property
    def hangs(self) -> bool:
        """Whether its try will not end, or not begin, unless it is started again."""
        return self._plan.hangs

    def move(self, reason: Reason, detail: str = "") -> None:
        """Go to *reason*: for its pairing, which shares the state."""
        self._cell.move(reason, detail)

    def start(self) -> None:
        """Keep it connected from now on; one that waits for its next try makes it now, unless a ban has not ended.

        A try under way goes on, unless it hangs: then it is broken off, and made anew.
        """
        self._lasting.want(True)
        self._plan.forget()
        if self.hangs:
            self._break_off()
        elif self._tries:
            return
        wait = self._lasting.held_for_s(self.state.reason)
        self._plan.after(wait)
        if not wait:
            self._cell.move(Reason.STARTING)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"session-{self.id[:8]}", context=Context())
        else:
            self._news.wake()

    async def stop(self, reason: Reason | None = Reason.STOPPED) -> None:
        """Let it go: not wanted any more from this moment, disconnected when this returns, unless it was started meanwhile.

        With no *reason* (the service ends) its state and wish stay as they are.
        """
        task, self._task = self._task, None
        self._forget_news()
        if reason is not None:
            self._unwanted(reason)
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if reason is None:
            return
        async with self._engine:
            if not self.record.wanted:
                await self._tools.engine.close(self.id)

    async def started(self) -> None:
        """Wait while it starts: until it is connected, or is something else for now."""
        await self._started.wait()

    def adopt(self, identity: Identity) -> None:
        """Take the credentials that a pairing brought."""
        self._lasting.adopt(identity)

    def phone_told(self, days: int) -> None:
        """Note that its owner was told that the account's phone was not seen for so many days."""
        self._lasting.phone_told(days)

    def forget(self, reason: Reason = Reason.LOGGED_OUT) -> None:
        """Note that the account was unlinked: only a pairing leads on."""
        self._plan.never()
        self._lasting.unlink(reason)
        self._cell.move(reason)

    def hear(self, news: News) -> None:
        """Take note of what the engine said. Heard in order, by the session's own task."""
        if self._task and not self._task.done() and not self._news.put(news):
            logger.error("Session {} does not keep up with its news: some is lost", self.id)

    # -- the session's own task ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            news = await self._news.next(lambda: self._plan.wait_s)
            try:
                if news is None:
                    await self._due()
                else:
                    await self._take(news)
            except Exception:  # noqa: BLE001  # one session's fault is not the next one's; it tries again
                logger.exception("Session {} met a fault of ours", self.id)
                if self.record.paired:
                    self._plan.again(Retry.REOPEN)

    async def _due(self) -> None:
        """Connect, if WhatsApp can be reached, the engine had its time to do it by itself, and it is this session's turn."""
        if not await self._tools.reachable():
            if self.state.reason is not Reason.UNREACHABLE:
                async with self._engine:  # hundreds of engines that dial on are a storm when the network is back
                    await self._tools.engine.rest(self.id)
            self._go(Verdict(Reason.UNREACHABLE, retry=Retry.FIRST_CONNECT))
        elif not self._plan.patient() and not self._waits_its_turn():
            await self._open()

    def _waits_its_turn(self) -> bool:
        wait = 0.0 if self._has_turn else self._tools.turn()
        self._has_turn = wait > 0
        if wait > 0:
            self._plan.after(wait)
        return self._has_turn

    async def _open(self) -> None:
        if self.state.reason is not Reason.DEAF:  # a deaf session says so until it hears again
            self._cell.move(Reason.STARTING)
        self._plan.attempt()
        async with self._engine:
            try:
                await self._tools.engine.open(self.id, self._tools.register.database(self.id))
            except SessionsError as error:
                verdict = refusal(error)
                if verdict.reason is Reason.REFUSED:
                    logger.error("Session {} could not be opened: {} ({})", self.id, error, error.code)
                self._go(verdict)
            else:
                self._opened_at = time.monotonic()
                # From here: it may have stood in line behind its worker's others for minutes, and would only go back to its end.
                self._plan.settle(SETTLE_S)

    async def _take(self, news: News) -> None:
        if not self.record.paired:
            return  # said before it was unlinked; only a pairing leads on
        if unlinks(news):
            await self._unlinked()
            return
        match news:
            case frames.Alive():
                self._alive(news.life)
            case frames.Ended():
                self._ended(news)
            case frames.Probed():
                self._probed(news)
            case frames.PhoneSeen():
                self._lasting.phone_seen(news.at_ms / 1000)
            case Lost():
                self._lost(news)
            case LowDisk():
                self._low_disk(news)
            case frames.Qr() | frames.LoginStatus():
                pass  # they unlink it
            case frames.LowDisk():
                pass  # told to all sessions of the worker as our own LowDisk

    def _alive(self, life: Life) -> None:
        if life.sign is Sign.IDENTITY and life.identity:
            self._lasting.identified(life.identity)
        verdict = judge(life)
        if verdict is None or (verdict.reason in _WHILE_RUNNING and not self._runs):
            return
        if verdict.reason is Reason.DEAF and self.state.reason is not Reason.CONNECTED:
            return
        if verdict.reason is Reason.CONNECTED:
            self._connected()
        else:
            self._go(verdict)

    def _connected(self) -> None:
        self._plan.connected()
        self._lasting.connected()
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

    def _low_disk(self, news: LowDisk) -> None:
        """Told to every session of a worker: one that waits for a ban's end goes on waiting for that."""
        if self._runs or self.state.reason in _NO_DISK:
            self._go(Verdict(Reason.DISK_FULL if news.full else Reason.UNWRITABLE, retry=Retry.DISK_FULL))

    def _lost(self, news: Lost) -> None:
        if not self._runs:
            return  # it heard of it when it was opened, or waits for something else, which a new worker does not shorten
        if news.at < self._opened_at:
            return  # it is open in the next worker by now
        if verdict := _LOSSES.get(news.loss):
            self._go(verdict)
        else:
            self._cell.move(Reason.WORKER_RESTARTING)
            self._plan.after(0.0)

    @property
    def _tries(self) -> bool:
        """Whether a try is under way: another beside it would only throw it out."""
        return self._plan.trying_s is not None and self._task is not None and not self._task.done()

    @property
    def _runs(self) -> bool:
        """Whether the engine has it, or is about to: neither given up nor waiting for a verdict's time."""
        return self.state.reason in RUNNING

    def _break_off(self) -> None:
        """Let the task go that waits for what will not come; what it has not heard yet is for the next."""
        logger.error("Session {}: its try hangs, and is made anew", self.id)
        if self._task:
            self._task.cancel()
        self._task = None

    async def _unlinked(self) -> None:
        """Say so at once; then leave the worker, so that a pairing finds the file free."""
        self.forget()
        async with self._engine:
            await self._tools.engine.close(self.id)

    def _forget_news(self) -> None:
        """Of a connection that ends: the next one must not believe it. Only that the account was unlinked is as true then."""
        unheard = self._news.take_all()
        if self.record.paired and any(map(unlinks, unheard)):
            self.forget()

    def _unwanted(self, reason: Reason) -> None:
        self._plan.never()
        self._lasting.want(False)
        if self.state.reason not in UNPAIRED:
            self._cell.move(reason)

    def _go(self, verdict: Verdict) -> None:
        """Go where a verdict says, and plan the next try as it says."""
        self._has_turn = False
        if verdict.retry:
            self._plan.again(verdict.retry, at_least_s=verdict.after_s or 0.0)
        elif verdict.after_s is not None:
            self._plan.after(verdict.after_s, look_s=verdict.look_s)
        else:
            self._plan.never()
        self._cell.move(verdict.reason, self._detail(verdict))
        if verdict.reason in KEPT_AT_START and (wait := self._plan.wait_s) is not None:
            self._lasting.not_before(wait)

    def _detail(self, verdict: Verdict) -> str:
        if verdict.reason is Reason.BANNED and (wait := self._plan.wait_s) is not None:
            return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(round(self._tools.clock() + wait)))
        return verdict.detail

    def _on_change(self, before: State, now: State) -> None:
        self._lasting.stands(now)
        if now.reason is Reason.STARTING:
            self._started.clear()
        else:
            self._started.set()
        log_change(self.id, before, now)
        self._tools.changed(self.id, before, now)
