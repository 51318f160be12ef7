"""The sink `webhook`: one signed request an event, in order within a chain, several chains at once (Standard Webhooks).

A receiver that is slow with one chain holds up that chain alone: its request stays under way over as many turns as it takes,
while every turn sends the other chains' events.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import aiohttp
import msgspec
from standardwebhooks import Webhook

from connector.sinks.answers import Trouble, of_failure, of_status
from connector.spool.rows import StoredOut
from connector.spool.sink import Delivered, Going, Park, Poison, Verdict, Wait
from sessions.backoff import Backoff

CHAINS = 8
"""Requests under way at once."""
TIMEOUT = aiohttp.ClientTimeout(total=15.0, sock_connect=5.0)
TURN_S = 0.5
"""How long one turn may take. A request that takes longer is waited for in later turns, beside the others' events."""
ALONE_S = 3600.0
"""How long an event may fail while others arrive, before it counts as the cause."""
ALONE_AGAIN = Backoff(first_s=1.0, factor=2.0, cap_s=60.0, jitter=0.0)
"""How often such an event is tried meanwhile."""
REFUSALS_IN_A_ROW = 20
"""So many refused with nothing taken in between say that it is not the events."""
_ANSWER_BYTES = 16_384
SETTING = "WEBHOOK_URL"
"""What the sentences of `answers` call the address."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where events go, the secret they are signed with (base64, with or without `whsec_` before it), and the setting of the address."""

    url: str
    secret: str
    setting: str = SETTING


class _Identified(msgspec.Struct):
    id: str


@dataclass(slots=True)
class _Failing:
    """A row that did not arrive: since when, how often it was tried, when to try it again if it fails alone."""

    since: float
    tries: int = 0
    next_at: float = 0.0


@dataclass(slots=True)
class _Turn:
    """One call of `deliver`. Once it is over no more requests are started for it."""

    over: bool = False


class WebhookSink:
    """Delivers to one receiver through *http*, which is the caller's to close (`guard.outgoing`). `close` ends what is under way."""

    def __init__(
        self,
        target: Target,
        http: aiohttp.ClientSession,
        *,
        name: str = "webhook",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        turn_s: float = TURN_S,
    ) -> None:
        self.name = name
        self._url = target.url
        self._setting = target.setting
        self._signer = Webhook(target.secret)
        self._http = http
        self._now = now
        self._clock = clock
        self._turn_s = turn_s
        self._slots = asyncio.Semaphore(CHAINS)
        self._flights: dict[str, asyncio.Task[Trouble | None]] = {}
        self._arrived: set[int] = set()  # rows that the outbox does not know of yet
        self._refused: dict[int, str] = {}  # rows the receiver will never take, until they are buried
        self._failing: dict[int, _Failing] = {}
        self._refusals = 0
        self._last_taken = 0.0

    async def deliver(self, rows: list[StoredOut]) -> Verdict:
        """Send what can be sent; answer once all of it is decided, or the turn is over."""
        turn = _Turn()
        for chain, waiting in self._chains(rows).items():
            if chain not in self._flights:
                self._flights[chain] = asyncio.create_task(self._fly(waiting, turn), name=f"webhook-{chain[:8]}")
        try:
            if self._flights:
                await asyncio.wait(self._flights.values(), timeout=self._turn_s)
            elif not any(row.seq in self._refused or row.seq in self._arrived for row in rows):
                await asyncio.sleep(self._turn_s)  # all that is left fails alone, and is not due
        finally:
            turn.over = True
        troubles = self._landed()
        arrived = self._arrived.intersection(row.seq for row in rows)
        self._arrived -= arrived
        return self._verdict(rows, frozenset(arrived), troubles)

    async def close(self) -> None:
        """Break off what is under way; it will be offered again."""
        for flight in self._flights.values():
            flight.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        self._flights.clear()

    def _chains(self, rows: list[StoredOut]) -> dict[str, list[StoredOut]]:
        """Sort what is still to be sent by chain; a chain ends before a row that was refused, or is not due."""
        chains: dict[str, list[StoredOut]] = {}
        blocked: set[str] = set()
        for row in rows:
            if row.seq in self._refused or self._not_due(row):
                blocked.add(row.chain)
            elif row.seq not in self._arrived and row.chain not in blocked:
                chains.setdefault(row.chain, []).append(row)
        return chains

    async def _fly(self, rows: list[StoredOut], turn: _Turn) -> Trouble | None:
        """Send one chain's rows in order; answer what stopped it."""
        async with self._slots:
            for row in rows:
                if turn.over:
                    return None
                trouble = self._noted(row, await self._post(row))
                if trouble:
                    turn.over = turn.over or trouble.everywhere
                    return trouble
        return None

    async def _post(self, row: StoredOut) -> Trouble | None:
        try:
            headers = self._headers(row)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Trouble(Poison("This is no event that can be sent."), everywhere=False)
        try:
            async with self._http.post(
                self._url, data=row.body, headers=headers, allow_redirects=False, timeout=TIMEOUT
            ) as response:
                await response.content.read(_ANSWER_BYTES)  # a short answer read to its end keeps the connection
                return self._named(of_status(response.status, response.headers.get("Retry-After"), self._now()))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return self._named(of_failure(error))

    def _named(self, trouble: Trouble | None) -> Trouble | None:
        """Name the setting that holds this receiver's address: whoever is told has to correct the right one."""
        if trouble is None or self._setting == SETTING:
            return trouble
        said = trouble.verdict.reason.replace(SETTING, self._setting)
        return replace(trouble, verdict=replace(trouble.verdict, reason=said))

    def _headers(self, row: StoredOut) -> dict[str, str]:
        now = self._now()
        event = msgspec.json.decode(row.body, type=_Identified).id
        return {
            "Content-Type": "application/json",
            "User-Agent": "Vigia",
            "webhook-id": event,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(event, now, row.body.decode()),
        }

    def _noted(self, row: StoredOut, trouble: Trouble | None) -> Trouble | None:
        """Remember what became of a row; answer the trouble as it is to be seen in the light of the others."""
        if trouble is None:
            self._arrived.add(row.seq)
            self._failing.pop(row.seq, None)
            self._refusals = 0
            self._last_taken = self._clock()
            return None
        if isinstance(trouble.verdict, Wait) and not trouble.everywhere:
            failing = self._failing.setdefault(row.seq, _Failing(self._clock()))
            if self._alone(failing) and self._clock() - failing.since > ALONE_S:
                trouble = Trouble(Poison(f"{trouble.verdict.reason} So it did to this event alone."), everywhere=False)
            else:
                wait = ALONE_AGAIN.first_s * ALONE_AGAIN.factor ** min(failing.tries, 64)
                failing.next_at = self._clock() + max(
                    min(wait, ALONE_AGAIN.cap_s), trouble.verdict.retry_after_s or 0.0
                )
                failing.tries += 1
        if isinstance(trouble.verdict, Poison):
            return self._refuse(row, trouble.verdict)
        return trouble

    def _alone(self, failing: _Failing) -> bool:
        """Whether others arrived since an event began to fail."""
        return self._last_taken > failing.since

    def _not_due(self, row: StoredOut) -> bool:
        failing = self._failing.get(row.seq)
        return failing is not None and self._alone(failing) and self._clock() < failing.next_at

    def _refuse(self, row: StoredOut, verdict: Poison) -> Trouble:
        self._refusals += 1
        self._failing.pop(row.seq, None)
        if self._refusals > REFUSALS_IN_A_ROW:
            self._refused.clear()  # they are asked about again, once somebody has looked
            why = f"{verdict.reason} So it did to the last {self._refusals}: check WEBHOOK_SECRET on both sides."
            return Trouble(Park(why), everywhere=True)
        self._refused[row.seq] = verdict.reason
        return Trouble(verdict, everywhere=False)

    def _landed(self) -> list[Trouble]:
        """Answer what stopped the chains that have ended. An exception of ours is raised on."""
        landed = [chain for chain, flight in self._flights.items() if flight.done()]
        return [trouble for chain in landed if (trouble := self._flights.pop(chain).result())]

    def _verdict(self, rows: list[StoredOut], arrived: frozenset[int], troubles: list[Trouble]) -> Verdict:
        verdicts = [one.verdict for one in troubles]
        for verdict in verdicts:
            if isinstance(verdict, Park):
                return Park(verdict.reason, arrived)
        for trouble in troubles:
            if isinstance(trouble.verdict, Wait) and trouble.everywhere:
                return Wait(trouble.verdict.reason, trouble.verdict.retry_after_s, arrived)
        for row in rows:
            if row.seq in self._refused:
                return Poison(self._refused.pop(row.seq), arrived, row.seq)
        if len(arrived) == len(rows):
            return Delivered()
        fresh = [one for row in rows if (one := self._failing.get(row.seq)) and not self._alone(one)]
        for verdict in verdicts:
            if isinstance(verdict, Wait) and fresh and not arrived:
                return Wait(verdict.reason, None)
        return Going(arrived)
