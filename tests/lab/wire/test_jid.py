"""Addresses and their text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.jid import GROUP, HOSTED, LID, PN, SERVER, Jid

USERS = st.text("0123456789-abc", min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("jid", "text"),
    [
        (SERVER, "s.whatsapp.net"),
        (Jid("5511900000001", PN), "5511900000001@s.whatsapp.net"),
        (Jid("155494605715400", LID, 7), "155494605715400:7@lid"),
        (Jid("1203630100000000000", GROUP), "1203630100000000000@g.us"),
    ],
)
def test_an_address_reads_back_from_its_text(jid, text):
    assert str(jid) == text
    assert Jid.parse(text) == jid


@given(USERS, st.sampled_from([PN, LID, GROUP, HOSTED]), st.integers(0, 255))
def test_any_address_reads_back_from_its_text(user, server, device):
    jid = Jid(user, server, device)
    assert Jid.parse(str(jid)) == jid


@pytest.mark.parametrize("text", ["", "@", "5511@", "@lid", "5511:@lid", "5511:x@lid", "5511:-1@lid", "5511:²@lid"])
def test_what_is_no_address_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError, match="not an address") as refused:
        Jid.parse(text)
    assert "5511" not in str(refused.value)


def test_the_account_is_the_address_without_its_device():
    assert Jid("155494605715400", LID, 7).without_device == Jid("155494605715400", LID)


def test_addresses_are_keys_and_have_an_order():
    assert sorted({Jid("2", LID), Jid("1", LID, 2), Jid("1", LID, 1)})[0] == Jid("1", LID, 1)
