"""What every endpoint works with, and how it finds the phone or device that a path names."""

from typing import TypeVar

import msgspec
from aiohttp import web

from lab.accounts import Account, Device
from lab.control.problems import conflict, not_found, unprocessable
from lab.jid import PN, Jid
from lab.lines import Line
from lab.phone import Phone
from lab.stanzas.presence import Presence
from lab.world import World

MAX_WAIT_S = 60.0
_Body = TypeVar("_Body")
_MIN_DIGITS, _MAX_DIGITS = 7, 15


class Context:
    """The lab, as the control API sees it."""

    def __init__(self, *, world: World, presence: Presence) -> None:
        self.world, self.presence = world, presence

    def phone(self, request: web.Request) -> Phone:
        """The phone named in the path. Raises Problem."""
        number = digits(request.match_info["number"])
        phone = self.world.phones.numbered(number)
        if phone is not None:
            return phone
        if self.world.accounts.numbered(number) is not None:
            raise conflict("This number is not on WhatsApp: it has no phone.")
        raise not_found("There is no phone with this number.")

    def account(self, number: str) -> Account:
        """The account of a number that is on WhatsApp. Raises Problem."""
        account = self.world.accounts.of(Jid(digits(number), PN))
        if account is None:
            raise not_found("This number is not on WhatsApp.")
        return account

    def device(self, request: web.Request) -> Device:
        """The linked device named in the path, by either form of its address. Raises Problem."""
        device = self.world.accounts.device(address(request.match_info["jid"]))
        if device is None:
            raise not_found("There is no such linked device.")
        return device

    def line(self, device: Device) -> Line:
        """The connection of a device. Raises Problem."""
        line = self.world.lines.of(device)
        if line is None:
            raise conflict("This device is not connected.")
        return line


def address(text: str) -> Jid:
    """A device's or an account's address. Raises Problem."""
    try:
        return Jid.parse(text)
    except ValueError as error:
        raise unprocessable("A device is named like 5511999990000:1@s.whatsapp.net.") from error


def digits(text: str) -> str:
    """A telephone number as WhatsApp has it: digits alone, 7 to 15. Raises Problem."""
    number = "".join(character for character in text if character not in "+ ()-.")
    if not (number.isascii() and number.isdigit() and _MIN_DIGITS <= len(number) <= _MAX_DIGITS):
        raise unprocessable(f"A number has {_MIN_DIGITS} to {_MAX_DIGITS} digits, with its country code.")
    return number


async def body(request: web.Request, kind: type[_Body]) -> _Body:
    """The body as a `kind`. Raises msgspec's errors."""
    return msgspec.json.decode(await raw(request), type=kind)


async def raw(request: web.Request) -> bytes:
    """The body's bytes; an empty one is an empty object."""
    return await request.read() or b"{}"


def whole(request: web.Request, name: str, default: int) -> int:
    """A whole number, 0 or more, from the query. Raises Problem."""
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise unprocessable(f"`{name}` is a whole number, 0 or more.")
    return int(text)


def wait_s(request: web.Request) -> float:
    """How long the caller is ready to wait, in seconds. Raises Problem."""
    try:
        seconds = float(request.query.get("wait", "0"))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_S:
        raise unprocessable(f"`wait` is a number of seconds, 0 to {MAX_WAIT_S:.0f}.")
    return seconds
