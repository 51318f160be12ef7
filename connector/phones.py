"""From what people write (a number in any common form, a JID) to the JID that WhatsApp confirms. Never rewritten by rule alone.

A Brazilian mobile may be known to WhatsApp with or without its ninth digit: both forms are the same subscriber, and the one
that WhatsApp answers to wins. Any other number has one reading, or is refused: a guess could reach a stranger.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber

from connector.refusals import NotOnWhatsApp
from sessions.errors import NotAnAddress

REGION = "BR"
"""Where a number without a country code belongs."""

Lookup = Callable[[str], Awaitable[str | None]]
"""Asks WhatsApp which JID a number (digits only) answers to; None when it is not there."""

_LONGEST = 64
_WRITTEN = re.compile(r"\+?[\d\s().\-/\u00a0\u2010-\u2015]+")
_PHONE_JID = re.compile(r"(\d{5,20})@(?:s\.whatsapp\.net|c\.us)")
_OTHER_JID = re.compile(r"\d{5,20}@lid|\d{5,20}(?:-\d{5,15})?@g\.us")
_BRAZILIAN_MOBILE = re.compile(r"55(?P<area>[1-9][1-9])(?P<ninth>9?)(?P<subscriber>[6-9]\d{7})")

_NO_NUMBER = "This is no telephone number: write it with country and area code, for example +55 11 98765-4321."
_NO_JID = "This is no WhatsApp address: write a number, or for example 5511987654321@s.whatsapp.net."


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a caller means: a `jid` as it stands, or `numbers` (digits only) to try in turn, all of one subscriber."""

    jid: str | None = None
    numbers: tuple[str, ...] = ()


def read(written: str, region: str = REGION) -> Target:
    """Read a number or JID. Raises `NotAnAddress` with a sentence."""
    text = written.strip()
    if "@" in text:
        return _read_jid(text.lower())
    return Target(numbers=forms(digits(text, region)))


def digits(written: str, region: str = REGION) -> str:
    """Answer a number in any common writing as digits with its country code. Raises `NotAnAddress` with a sentence."""
    text = written.strip()
    if len(text) > _LONGEST or not _WRITTEN.fullmatch(text):
        raise NotAnAddress(_NO_NUMBER)
    if text.startswith("+"):
        found = _parse(text, None)
        certain = found is not None and (phonenumbers.is_possible_number(found) or _brazilian(found))
    else:
        found, certain = _without_plus(text, region)
    if found is None or not certain:
        raise NotAnAddress(_NO_NUMBER)
    return _digits(found)


def masked(number: str) -> str:
    """Answer *number* (digits) as people write it, with all but its country, its area and its last four digits hidden."""
    found = _parse("+" + number, None)
    if found is None:
        return f"+{'•' * max(0, len(number) - 4)}{number[-4:]}"
    written = phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    open_digits = len(str(found.country_code)) + phonenumbers.length_of_geographical_area_code(found)
    hidden = range(open_digits, len(number) - 4)
    places = itertools.count()
    return "".join("•" if char.isdigit() and next(places) in hidden else char for char in written)


def forms(number: str) -> tuple[str, ...]:
    """Answer *number* and, for a Brazilian mobile, its form with or without the ninth digit."""
    if not (match := _BRAZILIAN_MOBILE.fullmatch(number)):
        return (number,)
    other = f"55{match['area']}{'' if match['ninth'] else '9'}{match['subscriber']}"
    return (number, other)


async def resolve(written: str, lookup: Lookup, region: str = REGION) -> str:
    """Answer the JID to send to. Raises `NotAnAddress`, `NotOnWhatsApp`, and what *lookup* raises."""
    target = read(written, region)
    if target.jid:
        return target.jid
    for number in target.numbers:
        if jid := await lookup(number):
            return jid
    raise NotOnWhatsApp


def _read_jid(text: str) -> Target:
    if match := _PHONE_JID.fullmatch(text):
        return Target(numbers=forms(match[1]))  # somebody may have written it by rule: WhatsApp is asked all the same
    if _OTHER_JID.fullmatch(text):
        return Target(jid=text)
    raise NotAnAddress(_NO_JID)


def _without_plus(text: str, region: str) -> tuple[PhoneNumber | None, bool]:
    """Read *text* as a number of *region*, else as one that begins with a country code (also written 00)."""
    local = _parse(text, region)
    if local is not None and (phonenumbers.is_valid_number(local) or _brazilian(local)):
        return local, True
    bare = re.sub(r"\D", "", text)
    abroad = _parse("+" + bare.removeprefix("00"), None)
    return abroad, abroad is not None and (phonenumbers.is_valid_number(abroad) or _brazilian(abroad))


def _parse(text: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None


def _brazilian(number: PhoneNumber) -> bool:
    return _BRAZILIAN_MOBILE.fullmatch(_digits(number)) is not None


def _digits(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")
