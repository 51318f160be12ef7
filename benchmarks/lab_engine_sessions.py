"""neonize sessions through its own asyncio client, as its users have it: what `lab_engine_driver.py` can be told to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from neonize._binder import ProxySettings
from neonize.aioze import events
from neonize.aioze.client import NewAClient
from neonize.utils.enum import ChatPresence, ChatPresenceMedia, ClientType, Presence, ReceiptType
from neonize.utils.jid import build_jid

DSN = "{path}?_foreign_keys=on&_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&x="
GAP_S = 0.02  # connect and stop of different sessions at once can abort the engine


class Sessions:
    """Every session of this process, by its name. `say` writes one line."""

    def __init__(self, config: dict[str, Any], say: Callable[..., None]) -> None:
        self._config, self._say = config, say
        # Read at connect. Unset, it means DEBUG: every line of the engine's log would be a call back into Python.
        logging.getLogger("neonize.utils.log").setLevel(logging.WARNING)
        self._clients: dict[str, Any] = {}
        self._gate = asyncio.Lock()

    async def connect(self, session: str) -> None:
        async with self._gate:
            if session not in self._clients:
                path = Path(self._config["folder"]) / f"{session}.db"
                self._clients[session] = NewAClient(DSN.format(path=path), uuid=session)
                self._listen(session, self._clients[session])
            proxy = ProxySettings(proxy_address=self._config["proxy"])
            task = await self._clients[session].connect(proxy)
            task.add_done_callback(partial(self._ended, session))
            await asyncio.sleep(GAP_S)

    def _ended(self, session: str, task: asyncio.Task[None]) -> None:
        self._say(session=session, event="ended", why=str(task.exception() or ""))

    async def stop(self, session: str) -> None:
        async with self._gate:
            await self._clients[session].stop()
            await asyncio.sleep(GAP_S)

    async def logout(self, session: str) -> None:
        await self._clients[session].logout()

    async def code(self, session: str, number: str) -> str:
        return await self._clients[session].PairPhone(number, True, client_type=ClientType.CHROME)

    async def send(self, session: str, to: str, text: str) -> str:
        return (await self._clients[session].send_message(build_jid(to), text)).ID

    async def send_many(self, session: str, to: str, text: str, count: int) -> list[str]:
        return await asyncio.gather(*(self.send(session, to, f"{text} {n}") for n in range(count)))

    async def on_whatsapp(self, session: str, number: str) -> list[dict[str, Any]]:
        found = await self._clients[session].is_on_whatsapp(number)
        return [{"in": one.IsIn, "jid": f"{one.JID.User}@{one.JID.Server}"} for one in found]

    async def mark_read(self, session: str, ids: list[str], chat: str) -> None:
        jid = _jid(chat)
        await self._clients[session].mark_read(*ids, chat=jid, sender=jid, receipt=ReceiptType.READ)

    async def typing(self, session: str, to: str) -> None:
        composing, text = ChatPresence.CHAT_PRESENCE_COMPOSING, ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT
        await self._clients[session].send_chat_presence(_jid(to), composing, text)

    async def presence(self, session: str) -> None:
        await self._clients[session].send_presence(Presence.AVAILABLE)

    async def subscribe(self, session: str, to: str) -> None:
        await self._clients[session].subscribe_presence(_jid(to))

    async def connected(self, session: str) -> bool:
        return await self._clients[session].is_connected

    def _listen(self, session: str, client: Any) -> None:
        async def qr(_: Any, data: bytes) -> None:
            self._say(session=session, event="qr", text=data.decode())

        client.event.qr(qr)
        for kind, describe in DESCRIBED.items():
            told = kind.__name__ not in self._config["untold"]
            client.event(kind)(self._handler(session, kind.__name__, describe) if told else _ignore)

    def _handler(self, session: str, name: str, describe: Callable[[Any], dict[str, Any]]) -> Any:
        async def handler(_: Any, event: Any) -> None:
            self._say(session=session, event=name, **describe(event))

        return handler


async def _ignore(_: Any, __: Any) -> None:
    """For benchmarks, which ask the lab what was acknowledged."""


def _jid(text: str) -> Any:
    user, _, server = text.partition("@")
    return build_jid(user, server or "s.whatsapp.net")


def _source(where: Any) -> dict[str, Any]:
    return {
        "sender": f"{where.Sender.User}@{where.Sender.Server}",
        "chat": f"{where.Chat.User}@{where.Chat.Server}",
        "sender_alt": where.SenderAlt.User,
        "recipient_alt": where.RecipientAlt.User,
        "from_me": where.IsFromMe,
    }


def _message(event: Any) -> dict[str, Any]:
    content, info = event.Message, event.Info
    return {
        "id": info.ID,
        "text": content.conversation or content.extendedTextMessage.text,
        "protocol": content.HasField("protocolMessage"),
        "push_name": info.Pushname,
        **_source(info.MessageSource),
    }


def _nothing(_: Any) -> dict[str, Any]:
    return {}


DESCRIBED: dict[Any, Callable[[Any], dict[str, Any]]] = {
    events.QREv: lambda e: {"codes": len(e.Codes)},
    events.PairStatusEv: lambda e: {"id": e.ID.User, "status": e.Status},
    events.ConnectedEv: _nothing,
    events.DisconnectedEv: _nothing,
    events.StreamReplacedEv: _nothing,
    events.KeepAliveTimeoutEv: _nothing,
    events.KeepAliveRestoredEv: _nothing,
    events.ClientOutdatedEv: _nothing,
    events.OfflineSyncPreviewEv: lambda e: {"messages": e.Message, "total": e.Total},
    events.OfflineSyncCompletedEv: lambda e: {"count": e.Count},
    events.LoggedOutEv: lambda e: {"on_connect": e.OnConnect, "reason": e.Reason},
    events.TemporaryBanEv: lambda e: {"code": e.Code, "expire": e.Expire},
    events.ConnectFailureEv: lambda e: {"reason": e.Reason},
    events.StreamErrorEv: lambda e: {"code": e.Code},
    events.MessageEv: _message,
    events.ReceiptEv: lambda e: {"ids": list(e.MessageIDs), "type": e.Type, **_source(e.MessageSource)},
    events.ChatPresenceEv: lambda e: {"state": e.State, "media": e.Media, **_source(e.MessageSource)},
    events.PresenceEv: lambda e: {"who": e.From.User, "unavailable": e.Unavailable},
}
"""What is told of each event; those that are not listed are not subscribed to."""
