"""The keys that let two devices meet: each uploads its own, and fetches one set of another's."""

from collections.abc import Callable, Iterable
from typing import Final

from lab.accounts import Account, Accounts, Device, SignedPreKey
from lab.faults import Faults
from lab.jid import Jid
from lab.lines import Line
from lab.node import Node
from lab.signal import PreKeyBundle
from lab.stanzas.words import refusal, result

_CURVE: Final = b"\x05"
_LOW: Final = 5  # fewer than this and the engine uploads more


class PreKeys:
    """Answers `encrypt`. `phone_bundle` makes the set of an account's own phone."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        save: Callable[[Device], None],
        phone_bundle: Callable[[Account], PreKeyBundle | None],
        faults: Faults,
    ) -> None:
        self._accounts, self._save, self._phone_bundle, self._faults = accounts, save, phone_bundle, faults

    async def answer(self, line: Line, question: Node) -> None:
        if question.child("count") is not None:
            await self._count(line, question)
        elif (asked := question.child("key")) is not None:
            if self._faults.withholding_keys(line.device.jid):
                await line.send(refusal(question, 503, "service-unavailable"))
                return
            users = [self._user(node.jid("jid")) for node in asked.children]
            await line.send(result(question, Node("list", {}, [*users])))
        elif question.text("type") == "set" and question.child("list") is not None:
            self._upload(line.device, question)
            await line.send(result(question))
        else:
            await line.send(refusal(question, 400, "bad-request"))

    def take(self, jid: Jid) -> PreKeyBundle | None:
        """One set of a device's keys; its one-time key is used up. None: no such device."""
        account = self._accounts.of(jid)
        if account is None:
            return None
        if jid.device == 0:
            return self._phone_bundle(account)
        device = account.devices.get(jid.device)
        return self._from_device(device) if device is not None else None

    async def _count(self, line: Line, question: Node) -> None:
        # The very first answer is 1 rather than 0: to 0 an engine answers with 812 keys, to 1 with 50, in a tenth of
        # the time. Either is too few, and it uploads.
        count = len(line.device.prekeys)
        if not line.device.asked_count:
            line.device.asked_count, count = True, 1
        await line.send(result(question, Node("count", {"value": str(count)})))

    def _upload(self, device: Device, stanza: Node) -> None:
        keys = stanza.child("list")
        for key in keys.children if keys is not None else []:
            device.prekeys[int.from_bytes(key.bytes_of("id"), "big")] = key.bytes_of("value")
        signed = stanza.child("skey")
        if signed is not None:
            device.signed_prekey = _signed(signed)
        self._save(device)

    def _from_device(self, device: Device) -> PreKeyBundle:
        one_time = next(iter(device.prekeys.items()), None)
        if one_time is not None:
            del device.prekeys[one_time[0]]
            self._save(device)
        return PreKeyBundle(
            registration_id=device.registration_id,
            identity_public=device.identity,
            signed_prekey_id=device.signed_prekey.id,
            signed_prekey=device.signed_prekey.public,
            signed_prekey_signature=device.signed_prekey.signature,
            prekey_id=one_time[0] if one_time is not None else None,
            prekey=one_time[1] if one_time is not None else None,
        )

    def _user(self, jid: Jid | None) -> Node:
        bundle = self.take(jid) if jid is not None else None
        attrs: dict[str, str | Jid] = {"jid": jid} if jid is not None else {}
        if bundle is None:
            return Node("user", attrs, [Node("error", {"code": "404", "text": "item-not-found"})])
        return Node("user", attrs, [registration(bundle), Node("type", {}, _CURVE), *keys(bundle)])


def registration(bundle: PreKeyBundle) -> Node:
    return Node("registration", {}, bundle.registration_id.to_bytes(4, "big"))


def keys(bundle: PreKeyBundle) -> Iterable[Node]:
    """Identity, signed key and, when there is one, the one-time key."""
    yield Node("identity", {}, bundle.identity_public)
    signature = Node("signature", {}, bundle.signed_prekey_signature)
    yield Node("skey", {}, [*_key(bundle.signed_prekey_id, bundle.signed_prekey), signature])
    if bundle.prekey_id is not None and bundle.prekey is not None:
        yield Node("key", {}, [*_key(bundle.prekey_id, bundle.prekey)])


def _key(number: int, public: bytes) -> tuple[Node, Node]:
    return Node("id", {}, number.to_bytes(3, "big")), Node("value", {}, public)


def _signed(node: Node) -> SignedPreKey:
    return SignedPreKey(int.from_bytes(node.bytes_of("id"), "big"), node.bytes_of("value"), node.bytes_of("signature"))
