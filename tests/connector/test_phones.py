"""Numbers as people write them, and who answers to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import phones
from connector.phones import Target
from connector.refusals import NotOnWhatsApp
from sessions.errors import NotAnAddress

ANA, ANA_OLD = "5511987654321", "551187654321"


@pytest.mark.parametrize(
    "written",
    [
        "+55 (11) 98765-4321", "+5511987654321", "5511987654321", "55 11 98765 4321", "11987654321", "(11) 98765-4321",
        "011 98765-4321", "0 21 11 98765-4321", "0055 11 98765-4321", " 11 98765.4321 ", "+55\u00a011\u00a098765\u20114321",
        "5511987654321@s.whatsapp.net", "5511987654321@c.us", "5511987654321@S.WHATSAPP.NET",
    ],
)  # fmt: skip
def test_one_subscriber(written: str) -> None:
    """Every common writing is the same person, in both forms that WhatsApp may know."""
    assert phones.read(written) == Target(numbers=(ANA, ANA_OLD))


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ("551187654321", (ANA_OLD, ANA)),
        ("11 8765-4321", (ANA_OLD, ANA)),
        ("551187654321@s.whatsapp.net", (ANA_OLD, ANA)),
        ("+55 11 3333-4444", ("551133334444",)),
        ("11 3333-4444", ("551133334444",)),
        ("+1 415 555 2671", ("14155552671",)),
        ("14155552671", ("14155552671",)),
        ("00 351 912 345 678", ("351912345678",)),
        ("351912345678", ("351912345678",)),
    ],
)
def test_the_form_that_was_written_is_tried_first(written: str, numbers: tuple[str, ...]) -> None:
    """Landlines and numbers of other countries have one form."""
    assert phones.read(written).numbers == numbers


@pytest.mark.parametrize("jid", ["123456789012345@lid", "120363000000000000@g.us", "5511987654321-1400000000@g.us"])
def test_an_address_without_a_number_stands(jid: str) -> None:
    """WhatsApp itself gave it."""
    assert phones.read(jid) == Target(jid=jid)


@pytest.mark.parametrize(
    "written",
    [
        "", " ", "ring me", "190", "12345", "+", "+0", "+55", "9" * 30, "1" * 1_000_000, "0800 FLOWERS", "11 98765-4321 ramal 5",
        "@", "@s.whatsapp.net", "x@s.whatsapp.net", "5511987654321@", "5511987654321@evil.example",
        "5511987654321:2@s.whatsapp.net", "5511987654321@s.whatsapp.net\n5511", "status@broadcast", "1@newsletter",
        "+55 11 98765-4321, 4322", "tel:+5511987654321", "\x00", "+1 98765",
    ],
    ids=lambda value: repr(value[:20]),
)  # fmt: skip
def test_what_is_no_address(written: str) -> None:
    """Is refused with a sentence that shows how to write one."""
    with pytest.raises(NotAnAddress, match="for example"):
        phones.read(written)


@given(st.text())
def test_any_text_is_read_or_refused(written: str) -> None:
    """Never anything else; what is read is digits of a bounded length."""
    try:
        target = phones.read(written)
    except NotAnAddress:
        return
    assert target.jid or all(
        number.isascii() and number.isdigit() and 5 <= len(number) <= 20 for number in target.numbers
    )


@given(st.integers(11, 99).filter(lambda area: area % 10 > 0), st.integers(60_000_000, 99_999_999))
def test_both_forms_name_each_other(area: int, subscriber: int) -> None:
    """Whichever was written."""
    old, new = f"55{area}{subscriber}", f"55{area}9{subscriber}"
    assert (phones.forms(old), phones.forms(new)) == ((old, new), (new, old))


class Directory:
    """What WhatsApp knows, and what it was asked."""

    def __init__(self, **known: str) -> None:
        self._known = {name.removeprefix("n"): jid for name, jid in known.items()}
        self.asked: list[str] = []

    async def __call__(self, number: str) -> str | None:
        self.asked.append(number)
        return self._known.get(number)


@pytest.mark.parametrize("written", [ANA, ANA_OLD, f"{ANA}@s.whatsapp.net", "+55 11 98765-4321"])
async def test_the_form_that_whatsapp_confirms_wins(written: str) -> None:
    """Accounts of before the ninth digit keep their name without it."""
    old_jid = f"{ANA_OLD}@s.whatsapp.net"
    assert await phones.resolve(written, Directory(n551187654321=old_jid)) == old_jid
    new_jid = f"{ANA}@s.whatsapp.net"
    assert await phones.resolve(written, Directory(n5511987654321=new_jid)) == new_jid


async def test_the_first_that_answers_is_enough() -> None:
    """No question more than needed; none for an address that stands."""
    both = Directory(n5511987654321="a@s.whatsapp.net", n551187654321="b@s.whatsapp.net")
    assert await phones.resolve("11 98765-4321", both) == "a@s.whatsapp.net"
    assert both.asked == [ANA]
    assert await phones.resolve("123456789012345@lid", both) == "123456789012345@lid"
    assert both.asked == [ANA]


async def test_nobody_answers() -> None:
    """Both forms were tried, and no other."""
    nobody = Directory()
    with pytest.raises(NotOnWhatsApp):
        await phones.resolve("11 98765-4321", nobody)
    assert nobody.asked == [ANA, ANA_OLD]
