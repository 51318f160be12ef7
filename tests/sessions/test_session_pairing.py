"""Linking a phone, with a throw-away worker that says what the test says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from sessions import frames
from sessions import pairing as pairing_module
from sessions.engine.process import WorkerProcess
from sessions.errors import (
    AlreadyConnected,
    DiskFull,
    EngineRefused,
    Locked,
    PairingEnded,
    SessionsError,
    WorkerGone,
)
from sessions.model import Identity, Life, SessionId, Sign
from sessions.pairing import Code, Pairing
from sessions.state import ForbiddenMove, Reason

ONE = SessionId("2f5c7a10-0000-4000-8000-000000000001")
WHO = Identity(jid="5511999990000:3@s.whatsapp.net", lid=None, phone="5511999990000")
PHONE = WHO.phone
WAIT_S = 20.0


class FakeWorker:
    """A throw-away worker: its channel answers as told, its news are the test's."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, list[SessionsError | str]] = {}
        self.ended: list[str] = []
        self.notice: Callable[[frames.Notice], None] = lambda notice: None
        self.gone: Callable[[], None] = lambda: None
        self.code = "ABCD1234"
        self.holding: asyncio.Event | None = None

    @property
    def channel(self) -> FakeWorker:
        return self

    async def ask(self, kind: type[Any], *, deadline_s: float, **fields: Any) -> frames.Reply:
        assert deadline_s > 0
        assert fields["session"] == ONE
        self.asked.append((kind.__name__, fields))
        if self.holding:
            await self.holding.wait()
        answers = self.answers.get(kind.__name__, [])
        answer = answers.pop(0) if answers else self.code if kind is frames.PairCode else None
        if isinstance(answer, SessionsError):
            raise answer
        return frames.Reply(id=1, text=answer)

    def on_end(self, call: Callable[[], None]) -> None:
        self.gone = call

    async def drain(self) -> None:
        self.ended.append("drain")

    async def kill(self) -> None:
        self.ended.append("kill")


class Bench:
    """A pairing, its worker, the moves it made, and its task."""

    def __init__(self, folder: Path) -> None:
        self.worker = FakeWorker()
        self.refusal: SessionsError | None = None
        self.moves: list[Reason] = []
        self.forbidden: set[Reason] = set()
        self.path = folder / f"{ONE}.db"
        self.pairing = Pairing(ONE, self.path, self._throwaway, self._move)
        self.task: asyncio.Task[Identity] | None = None

    def begin(self) -> asyncio.Task[Identity]:
        self.task = asyncio.create_task(self.pairing.run())
        return self.task

    def say(self, *notices: frames.Notice) -> None:
        for notice in notices:
            self.worker.notice(notice)

    def qr(self, code: str) -> None:
        self.say(frames.Qr(session=ONE, code=code))

    def live(self, sign: Sign, **fields: Any) -> None:
        self.say(frames.Alive(session=ONE, life=Life(sign, **fields)))

    def scanned(self) -> None:
        self.live(Sign.IDENTITY, identity=WHO)
        self.live(Sign.PAIRED)
        self.live(Sign.CONNECTED)

    async def _throwaway(self, session: SessionId, notice: Callable[[frames.Notice], None]) -> WorkerProcess:
        assert session == ONE
        if self.refusal:
            raise self.refusal
        self.worker.notice = notice
        return cast(WorkerProcess, self.worker)

    def _move(self, reason: Reason) -> None:
        if reason in self.forbidden:
            raise ForbiddenMove(reason.code)
        if self.moves[-1:] != [reason]:
            self.moves.append(reason)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing_module, "QUIET_S", 0.02)
    monkeypatch.setattr(pairing_module, "LOCKED_PAUSE_S", 0.001)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    if bench.task:
        bench.task.cancel()
        await asyncio.gather(bench.task, return_exceptions=True)


@pytest.fixture
async def shown(bench: Bench, until: Any) -> Bench:
    """One that shows its first code."""
    bench.begin()
    await until(lambda: bench.worker.asked)
    bench.qr("2@first")
    await bench.pairing.qr(WAIT_S)
    return bench


async def ending(bench: Bench) -> PairingEnded:
    assert bench.task
    with pytest.raises(PairingEnded) as caught:
        await asyncio.wait_for(bench.task, WAIT_S)
    return caught.value


# -- to the end --------------------------------------------------------------------------------------------------------


async def test_a_scanned_code_becomes_credentials_in_a_file_that_is_free(shown: Bench):
    shown.scanned()
    assert shown.task
    assert await asyncio.wait_for(shown.task, WAIT_S) == WHO
    assert shown.moves == [Reason.WAITING_SCAN, Reason.LINKING]
    assert shown.worker.ended == ["drain", "kill"]
    assert [name for name, _fields in shown.worker.asked] == ["Open"]
    assert shown.worker.asked[0][1]["path"] == str(shown.path)


async def test_it_moves_house_only_when_the_phone_has_been_quiet_for_a_moment(shown: Bench, until):
    shown.scanned()
    for _ in range(5):
        await until(shown.pairing._news.empty)
        shown.live(Sign.OFFLINE_DONE)
        assert shown.worker.ended == []
    assert shown.task
    await asyncio.wait_for(shown.task, WAIT_S)


async def test_a_phone_that_is_never_quiet_does_not_keep_it_for_ever(
    shown: Bench, until, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pairing_module, "QUIET_S", 100.0)
    monkeypatch.setattr(pairing_module, "LONGEST_NOISE_S", 0.0)
    shown.scanned()
    assert shown.task
    assert await asyncio.wait_for(shown.task, WAIT_S) == WHO


async def test_credentials_of_an_earlier_attempt_are_used_without_a_code(bench: Bench, until):
    """The phone confirmed in the last moment, and nobody noticed."""
    bench.begin()
    await until(lambda: bench.worker.asked)
    bench.scanned()
    assert bench.task
    assert await asyncio.wait_for(bench.task, WAIT_S) == WHO
    assert bench.moves == [Reason.LINKING]


async def test_the_file_may_still_be_held_for_a_while(bench: Bench, until):
    bench.worker.answers["Open"] = [Locked(), Locked()]
    bench.begin()
    await until(lambda: len(bench.worker.asked) == 3)
    bench.qr("2@x")
    assert (await bench.pairing.qr(WAIT_S)).text == "2@x"


# -- codes to scan -----------------------------------------------------------------------------------------------------


async def test_whoever_asks_waits_for_the_first_code(bench: Bench, until):
    bench.begin()
    asking = [asyncio.create_task(bench.pairing.qr(WAIT_S)) for _ in range(3)]
    await until(lambda: bench.worker.asked)
    bench.qr("2@first")
    codes = await asyncio.gather(*asking)
    assert {code.text for code in codes} == {"2@first"}
    assert codes[0].attempt == 1
    assert codes[0].expires_at == pytest.approx(time.time() + 60, abs=5)


async def test_a_new_code_takes_the_place_of_the_one_before_and_lives_shorter(shown: Bench, until):
    shown.qr("2@second")
    await until(lambda: shown.pairing._code and shown.pairing._code.text == "2@second")
    code = await shown.pairing.qr(WAIT_S)
    assert (code.text, code.attempt) == ("2@second", 2)
    assert code.expires_at == pytest.approx(time.time() + 20, abs=5)
    assert shown.moves == [Reason.WAITING_SCAN]


async def test_an_expired_code_is_not_shown(shown: Bench):
    shown.pairing._code = Code("2@old", time.time() - 1, 1)
    asking = asyncio.create_task(shown.pairing.qr(WAIT_S))
    shown.qr("2@fresh")
    assert (await asking).text == "2@fresh"


async def test_nobody_waits_longer_than_he_wanted(bench: Bench):
    bench.begin()
    with pytest.raises(TimeoutError):
        await bench.pairing.qr(0.01)


async def test_once_a_phone_confirmed_there_is_nothing_to_scan(shown: Bench, until):
    shown.pairing._code = Code("2@old", time.time() - 1, 1)
    waiting = asyncio.create_task(shown.pairing.qr(WAIT_S))
    shown.live(Sign.IDENTITY, identity=WHO)
    with pytest.raises(AlreadyConnected):
        await waiting
    with pytest.raises(AlreadyConnected):
        await shown.pairing.qr(WAIT_S)
    shown.live(Sign.CONNECTED)
    assert shown.task
    await asyncio.wait_for(shown.task, WAIT_S)
    with pytest.raises(AlreadyConnected):
        await shown.pairing.qr(WAIT_S)


# -- codes to type -----------------------------------------------------------------------------------------------------


async def test_a_code_to_type_comes_once_the_engine_shows_one_to_scan(bench: Bench, until):
    bench.begin()
    asking = asyncio.create_task(bench.pairing.code(PHONE, WAIT_S))
    await until(lambda: bench.worker.asked)
    assert [name for name, _fields in bench.worker.asked] == ["Open"]
    bench.qr("2@first")
    code = await asking
    assert code.text == "ABCD1234"
    assert code.expires_at == pytest.approx(time.time() + 160, abs=5)
    assert bench.worker.asked[-1] == ("PairCode", {"session": ONE, "phone": PHONE})


async def test_asked_again_it_is_the_same_code_also_at_the_same_time(shown: Bench):
    codes = await asyncio.gather(*(shown.pairing.code(PHONE, WAIT_S) for _ in range(4)))
    codes.append(await shown.pairing.code(PHONE, WAIT_S))
    assert len({id(code) for code in codes}) == 1
    assert [name for name, _fields in shown.worker.asked].count("PairCode") == 1


async def test_another_number_has_another_code(shown: Bench):
    first = await shown.pairing.code(PHONE, WAIT_S)
    shown.worker.code = "WXYZ5678"
    second = await shown.pairing.code("5511888880000", WAIT_S)
    assert (first.text, second.text) == ("ABCD1234", "WXYZ5678")


async def test_an_expired_code_is_asked_for_anew(shown: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairing_module, "CODE_S", -1.0)
    await shown.pairing.code(PHONE, WAIT_S)
    shown.worker.code = "WXYZ5678"
    assert (await shown.pairing.code(PHONE, WAIT_S)).text == "WXYZ5678"


async def test_who_types_a_code_has_its_whole_life_to_do_so(shown: Bench, until, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairing_module, "ASKED_S", -1000.0)  # without the code nobody has asked for long
    monkeypatch.setattr(pairing_module, "CODE_S", 1000.0)
    shown.pairing._asked_at = time.monotonic() + 2000.0
    await shown.pairing.code(PHONE, WAIT_S)
    assert shown.pairing._asked_at + pairing_module.ASKED_S == pytest.approx(time.monotonic() + 1000.0, abs=5)


@pytest.mark.parametrize("answer", [EngineRefused(), ""])
async def test_a_number_that_gets_no_code_is_refused_and_the_pairing_goes_on(shown: Bench, answer: Any):
    shown.worker.answers["PairCode"] = [answer]
    with pytest.raises(EngineRefused):
        await shown.pairing.code("1", WAIT_S)
    assert (await shown.pairing.qr(WAIT_S)).text == "2@first"
    assert (await shown.pairing.code(PHONE, WAIT_S)).text == "ABCD1234"


# -- ends --------------------------------------------------------------------------------------------------------------

ENDS = [
    (frames.LoginStatus(session=ONE, status="timeout"), Reason.PAIRING_ENDED, "expired"),
    (frames.LoginStatus(session=ONE, status="err-unexpected-state"), Reason.PAIRING_ENDED, "expired"),
    (frames.LoginStatus(session=ONE, status="error"), Reason.PAIRING_ENDED, "expired"),
    (frames.LoginStatus(session=ONE, status="err-client-outdated"), Reason.OUTDATED, "update"),
    (frames.LoginStatus(session=ONE, status="passkey-request"), Reason.PASSKEY_REQUIRED, "passkey"),
    (frames.Ended(session=ONE, error="unreachable"), Reason.PAIRING_ENDED, "cannot be reached"),
    (frames.Ended(session=ONE, error="engine"), Reason.PAIRING_ENDED, "engine ended"),
    (frames.LowDisk(), Reason.PAIRING_ENDED, "."),
    (frames.Alive(session=ONE, life=Life(Sign.OUTDATED)), Reason.OUTDATED, "update"),
    (frames.Alive(session=ONE, life=Life(Sign.PAIR_FAILED, code="1")), Reason.PAIRING_ENDED, "expired"),
    (frames.Alive(session=ONE, life=Life(Sign.LOGGED_OUT)), Reason.PAIRING_ENDED, "expired"),
]


@pytest.mark.parametrize(("said", "reason", "word"), ENDS, ids=lambda value: getattr(value, "name", None))
async def test_a_pairing_that_fails_says_why_to_everybody(shown: Bench, said: frames.Notice, reason: Reason, word: str):
    shown.pairing._code = Code("2@old", time.time() - 1, 1)
    waiting = asyncio.create_task(shown.pairing.qr(WAIT_S))
    await asyncio.sleep(0)
    shown.say(said)
    assert word in str(await ending(shown))
    with pytest.raises(PairingEnded, match=word):
        await waiting
    assert shown.moves == [Reason.WAITING_SCAN, reason]
    assert shown.worker.ended == ["kill"], (
        "nothing is erased, and the thread that the engine leaves behind goes with it"
    )


@pytest.mark.parametrize(("said", "reason"), [one[:2] for one in ENDS])
async def test_one_that_fails_before_its_first_code_leaves_the_state_unless_it_knows_better(
    bench: Bench, until, said: frames.Notice, reason: Reason
):
    bench.begin()
    await until(lambda: bench.worker.asked)
    bench.say(said)
    await ending(bench)
    assert bench.moves == ([] if reason is Reason.PAIRING_ENDED else [reason])


async def test_success_said_by_the_engine_is_no_end(shown: Bench, until):
    shown.say(frames.LoginStatus(session=ONE, status="success"), frames.Probed(session=ONE, answered=False))
    shown.scanned()
    assert shown.task
    assert await asyncio.wait_for(shown.task, WAIT_S) == WHO


async def test_when_nobody_asks_any_more_it_ends(shown: Bench, until, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairing_module, "ASKED_S", 0.05)
    shown.say(frames.Probed(session=ONE, answered=True))  # it looks at the time again
    await ending(shown)
    assert shown.moves[-1] is Reason.PAIRING_ENDED


async def test_scanned_it_is_given_time_though_nobody_asks(shown: Bench, until, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairing_module, "ASKED_S", 0.0)
    shown.live(Sign.IDENTITY, identity=WHO)
    await until(lambda: shown.moves[-1] is Reason.LINKING)
    shown.live(Sign.CONNECTED)
    assert shown.task
    assert await asyncio.wait_for(shown.task, WAIT_S) == WHO


async def test_scanned_but_not_let_in_yet_it_is_linked_all_the_same(shown: Bench, monkeypatch: pytest.MonkeyPatch):
    """The phone lists the device from that moment on: to ask for another scan would make a second one."""
    monkeypatch.setattr(pairing_module, "LINK_S", 0.0)
    shown.path.write_bytes(b"credentials")
    shown.live(Sign.IDENTITY, identity=WHO)
    assert shown.task
    assert await asyncio.wait_for(shown.task, WAIT_S) == WHO
    assert shown.moves == [Reason.WAITING_SCAN, Reason.LINKING]
    assert shown.worker.ended == ["drain", "kill"]
    assert shown.path.read_bytes() == b"credentials"


async def test_a_phone_that_talks_on_does_not_keep_it_linking(shown: Bench, monkeypatch: pytest.MonkeyPatch):
    """The limit is for the whole of it, not for each word."""
    monkeypatch.setattr(pairing_module, "LINK_S", 0.2)
    monkeypatch.setattr(pairing_module, "LONGEST_NOISE_S", 0.1)
    shown.live(Sign.IDENTITY, identity=WHO)
    assert shown.task
    async with asyncio.timeout(WAIT_S):
        while not shown.task.done():
            shown.live(Sign.OFFLINE_DONE)
            await asyncio.sleep(0.01)
    assert shown.task.result() == WHO


async def test_a_worker_that_dies_ends_it_at_once(shown: Bench):
    shown.worker.gone()
    assert "engine ended" in str(await ending(shown))


@pytest.mark.parametrize("refusal", [DiskFull(), WorkerGone()])
async def test_one_that_gets_no_worker_says_why(bench: Bench, refusal: SessionsError):
    bench.refusal = refusal
    waiting = asyncio.create_task(bench.pairing.qr(WAIT_S))
    with pytest.raises(type(refusal)):
        await asyncio.wait_for(bench.begin(), WAIT_S)
    with pytest.raises(PairingEnded):
        await waiting
    assert bench.moves == []


async def test_one_whose_file_stays_held_says_so_and_ends_its_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairing_module, "LOCKED_S", 0.0)
    bench.worker.answers["Open"] = [Locked() for _ in range(99)]
    with pytest.raises(Locked):
        await asyncio.wait_for(bench.begin(), WAIT_S)
    assert bench.worker.ended == ["kill"]
    assert bench.moves == []


async def test_called_off_it_ends_its_worker_and_wakes_whoever_waits(shown: Bench):
    shown.pairing._code = None
    waiting = asyncio.create_task(shown.pairing.qr(WAIT_S))
    await asyncio.sleep(0)
    assert shown.task
    shown.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await shown.task
    with pytest.raises(PairingEnded):
        await waiting
    assert shown.worker.ended == ["kill"]
    assert shown.moves == [Reason.WAITING_SCAN, Reason.PAIRING_ENDED]


async def test_called_off_while_news_come_in_it_still_ends(shown: Bench):
    shown.qr("2@second")
    await asyncio.sleep(0)
    assert shown.task
    shown.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(shown.task, WAIT_S)


async def test_its_worker_ends_even_where_its_session_went_elsewhere_meanwhile(shown: Bench):
    shown.forbidden = set(Reason)
    shown.worker.gone()
    assert shown.task
    with pytest.raises((ForbiddenMove, PairingEnded)):
        await asyncio.wait_for(shown.task, WAIT_S)
    assert shown.worker.ended == ["kill"]
