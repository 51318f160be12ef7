"""Taking a new device into an account: the connection of an engine that has no account yet, and the phone's decision.

The engine shows QR texts made of the refs it was handed, or asks for eight characters. `scan` and `type_code` are what
a person does on the phone; both wait until the engine has signed, and answer with the linked device.
"""

import asyncio
import os
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from lab.accounts import Account, Device, SignedPreKey
from lab.background import Background
from lab.connection import Connection, Gone
from lab.faults import Faults
from lab.jid import SERVER, Jid
from lab.keys import KeyPair
from lab.node import Node
from lab.pairing import (
    PairingError,
    SignedIdentity,
    link_identity,
    open_key_bundle,
    parse_qr,
    unwrap_companion,
    verify_device_signature,
    wrap_primary,
)
from lab.registry import NewDevice, Registry
from lab.stanzas.words import refusal, result, stream_error

ANSWER_TIMEOUT_S: Final = 15.0
_OLD_REFS: Final = 1000
_RESTART: Final = "515"


class LinkError(Exception):
    """The device was not linked; the message is a sentence for the person at the phone."""


class UnknownCode(LinkError):
    """No engine shows this QR code or waits for this number's code."""


class ExpiredCode(LinkError):
    """The QR code was good, but the engine that showed it has gone."""


class BadCode(LinkError):
    """This is no QR text, or not the code that is shown."""


class NoAnswer(LinkError):
    """The engine did not complete the pairing."""


@dataclass(slots=True, eq=False)
class Applicant:
    """An engine that wants to be linked. `code_ref` stands for its request by eight characters."""

    connection: Connection
    new: NewDevice
    refs: frozenset[str] = frozenset()
    number: str = ""
    code_ref: bytes = b""
    wrapped_ephemeral: bytes = b""
    bundle: "asyncio.Future[bytes] | None" = None
    signed: "asyncio.Future[bytes] | None" = None
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)


class Linking:
    """All applicants. `linked` is told of each new device once it has signed."""

    def __init__(
        self,
        *,
        registry: Registry,
        faults: Faults,
        background: Background,
        clock: Callable[[], float],
        linked: Callable[[Device], None],
    ) -> None:
        self._registry, self._faults, self._background = registry, faults, background
        self._clock, self._linked = clock, linked
        self._applicants: set[Applicant] = set()
        self._old_refs: deque[str] = deque(maxlen=_OLD_REFS)

    def __len__(self) -> int:
        return len(self._applicants)

    async def serve(self, connection: Connection, noise_public: bytes, registration: Any) -> None:
        """One applicant, until it hangs up or is linked. `registration` is its DevicePairingRegistrationData."""
        applicant = Applicant(connection, _new_device(noise_public, registration))
        self._applicants.add(applicant)
        try:
            await self._hand_refs(applicant)
            async for node in connection.stanzas():
                await self._take(applicant, node)
        finally:
            self._applicants.discard(applicant)
            self._old_refs.extend(applicant.refs)
            _give_up(applicant)

    async def scan(self, account: Account, text: str) -> Device:
        """The phone scans a QR text. Raises LinkError."""
        try:
            code = parse_qr(text)
        except PairingError as error:
            raise BadCode(str(error)) from error
        applicant = self._showing(code.ref)
        if (code.noise_public, code.identity_public) != (applicant.new.noise_public, applicant.new.identity):
            raise BadCode("The keys in this QR code are not those of the device that shows it.")
        async with applicant.busy:
            return await self._link(account, applicant, code.adv_secret)

    async def type_code(self, account: Account, code: str) -> Device:
        """The eight characters are typed into the phone. Raises LinkError."""
        applicant = next((one for one in self._applicants if one.number == account.number and one.code_ref), None)
        if applicant is None:
            raise UnknownCode("No device waits for a code of this number.")
        async with applicant.busy:
            try:
                secret = await self._exchange(account, applicant, code)
            except PairingError as error:
                raise BadCode(str(error)) from error
            return await self._link(account, applicant, secret)

    def _showing(self, ref: str) -> Applicant:
        applicant = next((one for one in self._applicants if ref in one.refs), None)
        if applicant is not None:
            return applicant
        if ref in self._old_refs:
            raise ExpiredCode("This QR code has expired: the device that showed it is no longer waiting.")
        raise UnknownCode("No device of this lab shows this QR code.")

    async def _hand_refs(self, applicant: Applicant) -> None:
        refs = [f"2@{secrets.token_urlsafe(48)}" for _ in range(self._faults.qr_refs)]
        applicant.refs = frozenset(refs)
        parts = [Node("ref", {}, ref.encode()) for ref in refs]
        question = {"from": SERVER, "type": "set", "id": secrets.token_hex(5), "xmlns": "md"}
        await applicant.connection.send(Node("iq", question, [Node("pair-device", {}, [*parts])]))

    async def _take(self, applicant: Applicant, node: Node) -> None:
        if node.tag != "iq":
            return
        if node.text("type") in ("result", "error"):
            _signature(applicant, node)
        elif (stage := node.child("link_code_companion_reg")) is not None:
            await self._take_stage(applicant, node, stage)
        else:
            await applicant.connection.send(result(node))

    async def _take_stage(self, applicant: Applicant, node: Node, stage: Node) -> None:
        if stage.text("stage") == "companion_hello":
            await self._hello(applicant, node, stage)
            return
        await applicant.connection.send(result(node))
        if applicant.bundle is not None and not applicant.bundle.done():
            applicant.bundle.set_result(stage.bytes_of("link_code_pairing_wrapped_key_bundle"))

    async def _hello(self, applicant: Applicant, node: Node, stage: Node) -> None:
        number = stage.jid("jid")
        if number is None or self._registry.accounts.of(number) is None:
            await applicant.connection.send(refusal(node, 404, "item-not-found"))
            return
        applicant.number, applicant.code_ref = number.user, os.urandom(16)
        applicant.wrapped_ephemeral = stage.bytes_of("link_code_pairing_wrapped_companion_ephemeral_pub")
        answer = Node("link_code_pairing_ref", {}, applicant.code_ref)
        await applicant.connection.send(
            result(node, Node("link_code_companion_reg", {"stage": "companion_hello"}, [answer]))
        )

    async def _exchange(self, account: Account, applicant: Applicant, code: str) -> bytes:
        """The phone's half of the pairing by code. Returns the secret of pair-success."""
        companion = await asyncio.to_thread(unwrap_companion, code, applicant.wrapped_ephemeral)
        ephemeral = KeyPair.generate()
        wrapped = await asyncio.to_thread(wrap_primary, code, ephemeral.public)
        applicant.bundle = asyncio.get_running_loop().create_future()
        parts = [
            Node("link_code_pairing_ref", {}, applicant.code_ref),
            Node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, wrapped),
            Node("primary_identity_pub", {}, account.key.public),
        ]
        attrs: dict[str, str | Jid] = {"from": SERVER, "type": "link_code_companion_reg", "id": secrets.token_hex(5)}
        stage = Node("link_code_companion_reg", {"stage": "primary_hello"}, [*parts])
        await _send(applicant, Node("notification", attrs | {"t": str(int(self._clock()))}, [stage]))
        bundle = await _answer(applicant.bundle)
        return open_key_bundle(
            bundle, account=account.key, ephemeral=ephemeral, companion_ephemeral=companion
        ).adv_secret

    async def _link(self, account: Account, applicant: Applicant, adv_secret: bytes) -> Device:
        device = self._registry.link(account, applicant.new)
        identity = link_identity(
            account.key,
            applicant.new.identity,
            adv_secret,
            raw_id=secrets.randbits(31),
            timestamp=int(self._clock()),
            key_index=device.number,
        )
        try:
            await self._succeed(device, applicant, identity)
        except BaseException:
            self._registry.unlink(device)
            raise
        self._linked(device)
        self._background.start(applicant.connection.close(stream_error(_RESTART)), "lab-goodbye-linked")
        return device

    async def _succeed(self, device: Device, applicant: Applicant, identity: SignedIdentity) -> None:
        applicant.signed = asyncio.get_running_loop().create_future()
        parts = [
            Node("device-identity", {}, identity.container),
            Node("biz", {"name": device.account.name}),
            Node("device", {"jid": device.jid, "lid": device.lid}),
            Node("platform", {"name": "android"}),
        ]
        attrs: dict[str, str | Jid] = {"from": SERVER, "type": "set", "id": secrets.token_hex(5), "xmlns": "md"}
        attrs["t"] = str(int(self._clock()))
        await _send(applicant, Node("iq", attrs, [Node("pair-success", {}, [*parts])]))
        reply = await _answer(applicant.signed)
        if not verify_device_signature(identity, applicant.new.identity, reply):
            raise NoAnswer("The device did not sign its identity as it should.")


def _new_device(noise_public: bytes, registration: Any) -> NewDevice:
    signed = SignedPreKey(
        int.from_bytes(registration.eSkeyID, "big"), bytes(registration.eSkeyVal), bytes(registration.eSkeySig)
    )
    registration_id = int.from_bytes(registration.eRegid, "big")
    return NewDevice(noise_public, bytes(registration.eIdent), registration_id, signed, "web")


def _signature(applicant: Applicant, node: Node) -> None:
    sign = node.child("pair-device-sign")
    if applicant.signed is None or applicant.signed.done():
        return
    if sign is not None:
        applicant.signed.set_result(sign.bytes_of("device-identity"))
    elif (error := node.child("error")) is not None:
        applicant.signed.set_exception(NoAnswer(f"The device refused: {error.text('code')} {error.text('text')}."))


def _give_up(applicant: Applicant) -> None:
    for future in (applicant.bundle, applicant.signed):
        if future is not None and not future.done():
            future.set_exception(NoAnswer("The device hung up in the middle of the pairing."))


async def _send(applicant: Applicant, node: Node) -> None:
    try:
        await applicant.connection.send(node)
    except Gone as error:
        raise ExpiredCode("The device has gone.") from error


async def _answer(future: "asyncio.Future[bytes]") -> bytes:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await future
    except TimeoutError as error:
        raise NoAnswer(f"The device did not answer within {ANSWER_TIMEOUT_S:.0f} s.") from error
