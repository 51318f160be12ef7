"""What each sign of life leads to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.backoff import Retry
from sessions.model import Identity, Life, Sign
from sessions.policy import DEAF_PATIENCE_S, LOOK_S, RECONNECT_PATIENCE_S, Verdict, judge
from sessions.state import Next, Reason

WHO = Identity(jid="5511999990000:1@s.whatsapp.net", lid=None, phone="5511999990000")

TABLE: list[tuple[Life, Verdict | None]] = [
    (Life(Sign.IDENTITY, identity=WHO), None),
    (Life(Sign.PAIRED, code="android"), None),
    (Life(Sign.PAIR_FAILED, code="1"), None),
    (Life(Sign.OFFLINE_DONE, code="7"), None),
    (Life(Sign.CONNECTED), Verdict(Reason.CONNECTED)),
    (Life(Sign.KEEPALIVE_RESTORED), Verdict(Reason.CONNECTED)),
    (Life(Sign.DISCONNECTED), Verdict(Reason.RECONNECTING, after_s=RECONNECT_PATIENCE_S, look_s=LOOK_S)),
    (Life(Sign.KEEPALIVE_TIMEOUT, code="1"), Verdict(Reason.DEAF, retry=Retry.REOPEN, after_s=DEAF_PATIENCE_S)),
    (Life(Sign.STREAM_ERROR, code="463"), Verdict(Reason.DEAF, "463", retry=Retry.REOPEN)),
    (Life(Sign.LOGGED_OUT, code="2"), Verdict(Reason.LOGGED_OUT)),
    (Life(Sign.REPLACED), Verdict(Reason.REPLACED, retry=Retry.REPLACED)),
    (Life(Sign.OUTDATED), Verdict(Reason.OUTDATED)),
    (Life(Sign.BANNED, code="2", until_s=600), Verdict(Reason.BANNED, "2", after_s=600.0)),
    (Life(Sign.BANNED, code="2", until_s=0), Verdict(Reason.BANNED, "2", retry=Retry.BANNED)),
    (Life(Sign.BANNED, code="2"), Verdict(Reason.BANNED, "2", retry=Retry.BANNED)),
    (Life(Sign.CONNECT_FAILURE, code="8"), Verdict(Reason.REFUSED, "8", retry=Retry.REFUSED)),
    (Life(Sign.CONNECT_FAILURE), Verdict(Reason.REFUSED, retry=Retry.REFUSED)),
    (Life(Sign.CONNECT_FAILURE, code="6"), Verdict(Reason.OUTDATED, "6")),
]


@pytest.mark.parametrize(("life", "verdict"), TABLE)
def test_each_sign_has_its_verdict(life: Life, verdict: Verdict | None):
    assert judge(life) == verdict


def test_the_table_above_names_every_sign():
    assert {life.sign for life, _verdict in TABLE} == set(Sign)


lives = st.builds(
    Life,
    sign=st.sampled_from(Sign),
    code=st.none() | st.text(max_size=12) | st.integers(0, 10**7).map(str),
    until_s=st.none() | st.integers(-5, 10**9),
)


@given(life=lives)
def test_a_detail_is_a_short_number_or_nothing(life: Life):
    verdict = judge(life)
    detail = verdict.detail if verdict else ""
    assert detail == "" or (detail.isascii() and detail.isdecimal() and len(detail) < 6)


@given(life=lives)
def test_whatever_heals_by_itself_is_tried_again_and_what_does_not_is_left_alone(life: Life):
    verdict = judge(life)
    if verdict is None:
        return
    planned = verdict.retry is not None or verdict.after_s is not None
    if verdict.reason.value.next is Next.WAIT or verdict.reason in (Reason.REPLACED, Reason.BANNED):
        assert planned
    else:
        assert not planned


@given(until_s=st.integers(1, 10**7))
def test_a_ban_is_sat_out_to_its_end(until_s: int):
    verdict = judge(Life(Sign.BANNED, code="101", until_s=until_s))
    assert verdict is not None
    assert verdict.after_s == until_s
