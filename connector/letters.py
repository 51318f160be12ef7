"""Dead letters as operators handle them: looked at, delivered after all, thrown away; and sinks told to try again."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from loguru import logger

from connector.audit import Noted, unnoted
from connector.facts import ConnectionRef
from connector.refusals import NoSink, StillUnreadable, UnknownLetter, UnknownSink
from connector.spool import INBOUND, DeadLetter, OutRow, SinkView, SpoolError
from connector.spool.dead import PAGE, DeadLetters, Which
from connector.views import DeadLetterRow, LettersWanted, Page, Replayed, SinkRow
from sessions.model import SessionId

MOST = 10_000
"""Letters that one request replays; the rest are left for the next."""


Behind = Callable[[Sequence[DeadLetter]], Awaitable[Sequence[OutRow]]]


async def _nothing(_letters: Sequence[DeadLetter]) -> Sequence[OutRow]:
    return ()


class Mover(Protocol):
    """What processes events anew."""

    async def replay(self, letter: DeadLetter) -> bool: ...


class Drainer(Protocol):
    """One sink's queue."""

    @property
    def view(self) -> SinkView: ...
    def kick(self) -> None: ...


class Letters:
    """The dead letters of every sink. Methods raise `SpoolError` too."""

    def __init__(
        self,
        dead: DeadLetters,
        mover: Mover,
        drainers: Sequence[Drainer],
        refs: Mapping[SessionId, ConnectionRef],
        noted: Noted = unnoted,
        behind: Behind = _nothing,
    ) -> None:
        """*behind*: what has to be told behind letters that are put back."""
        self._dead = dead
        self._mover = mover
        self._drainers = {drainer.view.name: drainer for drainer in drainers}
        self._refs = refs
        self._noted = noted
        self._behind = behind

    async def list(self, wanted: LettersWanted, after: int, limit: int, bodies: bool) -> Page[DeadLetterRow]:
        """Answer up to *limit* letters whose id follows *after*, the oldest first, and how many there are in all."""
        which = self._which(wanted)
        found = await self._dead.list(which, after=after, limit=limit)
        return Page([self._row(it, body=bodies) for it in found], await self._dead.count(which))

    async def get(self, letter_id: int) -> DeadLetterRow:
        """Answer one letter with its body. Raises `UnknownLetter`."""
        return self._row(await self._letter(letter_id), body=True)

    async def replay(self, letter_id: int) -> DeadLetterRow:
        """Put a letter back into its place and answer it. Raises `UnknownLetter`, `NoSink`, `StillUnreadable`."""
        letter = await self._letter(letter_id)
        self._require_sink(letter.sink)
        if letter.sink == INBOUND:
            there = await self._process(letter)
            if there is None:
                raise StillUnreadable
        else:
            there = bool(await self._dead.replay([letter_id], await self._behind([letter])))
        if not there:
            raise UnknownLetter
        logger.info("Dead letter {} of {} was put back by an operator: {}", letter.id, letter.sink, letter.op)
        self._noted("replay", letter.sink, _why(letter))
        return self._row(letter, body=False)

    async def replay_all(self, sink: str, wanted: LettersWanted) -> Replayed:
        """Put letters of one *sink* back, oldest first, up to `MOST`; those that die again meanwhile are not tried twice.

        Raises `NoSink`.
        """
        self._require_sink(sink)
        which = self._which(LettersWanted(sink, wanted.connection_id, wanted.reason))
        last, after, replayed, seen = await self._dead.newest(), 0, 0, 0
        while seen < MOST:
            page = [it for it in await self._dead.list(which, after=after, limit=PAGE) if it.id <= last]
            if not page:
                break
            after, seen = page[-1].id, seen + len(page)
            replayed += await self._put_back(sink, page)
        if replayed:
            logger.info("{} dead letters of {} were put back by an operator.", replayed, sink)
            self._noted("replay", sink, f"{replayed} dead letters")
        return Replayed(replayed, await self._dead.count(which))

    async def discard(self, letter_id: int) -> DeadLetterRow:
        """Throw a letter away for good and answer what it was. Raises `UnknownLetter`."""
        letter = await self._dead.discard(letter_id)
        if letter is None:
            raise UnknownLetter
        logger.warning(
            "Dead letter {} of {} was DISCARDED by an operator: {} ({})",
            letter.id,
            letter.sink,
            letter.op,
            letter.reason,
        )
        self._noted("discard", letter.sink, _why(letter))
        return self._row(letter, body=False)

    def kick(self, sink: str) -> SinkRow:
        """Have a sink try at once, and answer how it was just before. Raises `UnknownSink`."""
        drainer = self._drainers.get(sink)
        if drainer is None:
            raise UnknownSink
        view = drainer.view
        drainer.kick()
        self._noted("kick_sink", sink, view.reason or "it runs")
        return SinkRow(view.name, view.state.value, view.reason, view.depth, view.oldest_s, view.dead)

    async def _letter(self, letter_id: int) -> DeadLetter:
        letter = await self._dead.get(letter_id)
        if letter is None:
            raise UnknownLetter
        return letter

    def _require_sink(self, sink: str) -> None:
        if sink != INBOUND and sink not in self._drainers:
            raise NoSink

    async def _put_back(self, sink: str, page: Sequence[DeadLetter]) -> int:
        if sink != INBOUND:
            return len(await self._dead.replay([it.id for it in page], await self._behind(page)))
        return sum([bool(await self._process(it)) for it in page])

    async def _process(self, letter: DeadLetter) -> bool | None:
        """Process an event anew; answer whether it was still there, None when it cannot be processed now either."""
        try:
            return await self._mover.replay(letter)
        except SpoolError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it meets: the letter stays, and the operator is told
            logger.warning("Dead letter {} still cannot be processed ({}).", letter.id, type(error).__name__)
            return None

    def _which(self, wanted: LettersWanted) -> Which:
        if wanted.connection_id is None:
            return Which(wanted.sink, None, wanted.reason)
        session = next((session for session, ref in self._refs.items() if ref.id == wanted.connection_id), "")
        return Which(wanted.sink, session, wanted.reason)

    def _row(self, it: DeadLetter, *, body: bool) -> DeadLetterRow:
        ref = self._refs.get(SessionId(it.chain))
        return DeadLetterRow(
            id=it.id,
            sink=it.sink,
            connection_id=ref.id if ref else None,
            op=it.op,
            reason=it.reason,
            at=datetime.fromtimestamp(it.at_us / 1_000_000, UTC),
            size=len(it.body),
            body=_told(it.body) if body else None,
        )


def _why(it: DeadLetter) -> str:
    return f"dead letter {it.id}: {it.reason}"


def _told(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return base64.b64encode(body).decode()
