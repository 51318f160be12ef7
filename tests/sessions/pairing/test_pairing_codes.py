"""From a code to credentials: what is shown, to whom, and for how long."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from pairing_bench import ONE, WAIT_S, WHO, Bench

from sessions import pairing as pairing_module
from sessions.errors import AlreadyConnected, EngineRefused, Locked
from sessions.model import Sign
from sessions.pairing import Code
from sessions.state import Reason

PHONE = WHO.phone


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
