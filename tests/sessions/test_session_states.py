"""The table of moves and the one setter: what may follow what, and who is told."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.state import MOVES, UNPAIRED, ForbiddenMove, Next, Reason, State, StateCell, Status

PAIRING = {Reason.WAITING_SCAN, Reason.LINKING}
WITH_CREDENTIALS = [reason for reason in Reason if reason not in UNPAIRED | {Reason.WAITING_SCAN}]

reasons = st.sampled_from(Reason)
details = st.text(max_size=8)


class Told(list[tuple[State, State]]):
    def __call__(self, before: State, now: State) -> None:
        self.append((before, now))


def a_cell(first: Reason, detail: str = "", *, at: float = 7.0) -> tuple[StateCell, Told]:
    told = Told()
    return StateCell(State(first, detail, since=1.0), lambda: at, told), told


def reachable_from(first: Reason) -> set[Reason]:
    seen, ahead = {first}, [first]
    while ahead:
        new = MOVES[ahead.pop()] - seen
        seen |= new
        ahead += new
    return seen


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_in_the_table_and_leads_anywhere_in_the_end(reason: Reason):
    assert reachable_from(reason) >= set(Reason) - {Reason.NEVER_PAIRED}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.NEVER_PAIRED])
def test_every_reason_can_be_come_to_from_another(reason: Reason):
    assert any(reason in leads for origin, leads in MOVES.items() if origin is not reason)


@pytest.mark.parametrize("reason", WITH_CREDENTIALS)
@pytest.mark.parametrize("verdict", [Reason.STOPPED, Reason.LOGGED_OUT])
def test_whatever_runs_can_be_stopped_and_logged_out_at_once(reason: Reason, verdict: Reason):
    assert reason is verdict or verdict in MOVES[reason]


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason in UNPAIRED | {Reason.WAITING_SCAN}])
def test_without_credentials_only_a_pairing_leads_to_a_connection(reason: Reason):
    assert Reason.LINKING in MOVES[reason]
    assert not MOVES[reason] & {Reason.CONNECTED, Reason.STARTING, Reason.RECONNECTING, Reason.WORKER_RESTARTING}


def test_what_was_stopped_starts_before_it_is_connected():
    assert Reason.STARTING in MOVES[Reason.STOPPED]
    assert Reason.CONNECTED not in MOVES[Reason.STOPPED]


@given(first=reasons, to=reasons, detail=details)
def test_a_move_is_made_whole_and_told_once_or_not_made_at_all(first: Reason, to: Reason, detail: str):
    cell, told = a_cell(first)
    if to is not first and to not in MOVES[first]:
        with pytest.raises(ForbiddenMove):
            cell.move(to, detail)
        assert cell.now == State(first, "", since=1.0)
        assert told == []
    elif (to, detail) == (first, ""):
        cell.move(to, detail)
        assert told == []
    else:
        cell.move(to, detail)
        assert told == [(State(first, "", since=1.0), cell.now)]
        assert (cell.now.reason, cell.now.detail) == (to, detail)
        assert cell.now.since == (1.0 if to is first else 7.0), "a new detail does not make the state any younger"


@given(first=reasons, walk=st.lists(st.tuples(reasons, details), max_size=30))
def test_what_listeners_hear_is_a_chain_without_gaps(first: Reason, walk: list[tuple[Reason, str]]):
    cell, told = a_cell(first)
    for to, detail in walk:
        try:
            cell.move(to, detail)
        except ForbiddenMove:
            continue
    chain = [State(first, "", since=1.0), *(now for _before, now in told)]
    assert [before for before, _now in told] == chain[:-1]
    assert cell.now == chain[-1]
    assert all((a.reason, a.detail) != (b.reason, b.detail) for a, b in told)


@pytest.mark.parametrize("language", ["pt", "pt-BR", "en", "fr"])
@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("detail", ["", "463"])
def test_every_state_has_a_whole_sentence(reason: Reason, detail: str, language: str):
    sentence = State(reason, detail).sentence(language)
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert not set("{}") & set(sentence)
    assert "  " not in sentence
    assert " :" not in sentence


@pytest.mark.parametrize("reason", Reason)
def test_the_two_languages_say_something_of_their_own_with_the_same_places_to_fill(reason: Reason):
    meaning = reason.value
    assert meaning.pt != meaning.en
    fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (meaning.pt, meaning.en)]
    assert fields[0] == fields[1] <= {"detail"}


def test_a_detail_shows_where_the_sentence_has_a_place_for_it():
    assert (
        State(Reason.BANNED, "2026-11-21 10:00 UTC").sentence("pt").endswith("por um tempo, até 2026-11-21 10:00 UTC.")
    )
    assert "(8)" in State(Reason.REFUSED, "8").sentence("en")


def test_codes_are_unique_words_of_one_of_four_statuses():
    codes = [reason.code for reason in Reason]
    assert len(set(codes)) == len(codes) == len(Reason.__members__), "two reasons with one meaning would be one"
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)
    assert {reason.status for reason in Reason} == set(Status)
    assert {status.value for status in Status} == {"disconnected", "connecting", "connected", "error"}
    assert {reason.value.next for reason in Reason} == set(Next)
