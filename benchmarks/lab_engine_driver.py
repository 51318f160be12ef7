"""A program that runs real neonize sessions and is told what to do: JSON lines in, JSON lines out.

Started by `lab_engine.py` with the lab's authority in SSL_CERT_FILE: the engine reads the environment a process begins with.
A line in is `{"n", "do", "session", ...}`; a line out is an answer `{"n", "answer" | "error"}` or an event
`{"session", "event", ...}`. What neonize itself prints goes to standard error.
"""

import asyncio
import ctypes
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

DSN = "{path}?_foreign_keys=on&_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&x="
GAP_S = 0.02  # connect and stop of different sessions at once can abort the engine


def provide_libmagic():
    """neonize needs libmagic: the system's, or the one that pylibmagic brings."""
    try:
        import magic  # noqa: F401
    except ImportError:
        folder = Path(find_spec("pylibmagic").submodule_search_locations[0])
        os.environ.setdefault("MAGIC", str(folder / "magic.mgc"))
        ctypes.CDLL(str(folder / "libmagic.so.1"))


def trust(root_key):
    """Puts the lab's root key where the loaded library has WhatsApp's."""
    theirs = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")
    places = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        parts = line.split(maxsplit=5)
        if parts[1] == "rw-p" and len(parts) == 6 and "neonize" in parts[5] and ".so" in parts[5]:
            start, end = (int(part, 16) for part in parts[0].split("-"))
            data = ctypes.string_at(start, end - start)
            if (at := data.find(theirs)) >= 0:
                places.append(start + at)
    assert len(places) == 1, f"root key found {len(places)} times"
    ctypes.memmove(places[0], root_key, 32)


class Driver:
    def __init__(self, out, config):
        self.out, self.config = out, config
        self.clients, self.starting = {}, asyncio.Lock()

    def say(self, **words):
        self.out.write(json.dumps(words).encode() + b"\n")
        self.out.flush()

    async def obey(self, order):
        try:
            answer = await getattr(self, f"do_{order['do']}")(**order.get("with", {}))
            self.say(n=order["n"], answer=answer)
        except Exception as error:  # noqa: BLE001 - the test decides what an error means
            self.say(n=order["n"], error=f"{type(error).__name__}: {error}")

    async def do_connect(self, session):
        from neonize._binder import ProxySettings
        from neonize.aioze.client import NewAClient

        async with self.starting:
            client = self.clients.get(session)
            if client is None:
                path = Path(self.config["folder"]) / f"{session}.db"
                client = NewAClient(DSN.format(path=path), uuid=session)
                self.listen(session, client)
                self.clients[session] = client
            task = await client.connect(ProxySettings(proxy_address=self.config["proxy"]))
            task.add_done_callback(lambda t: self.say(session=session, event="ended", why=str(t.exception() or "")))
            await asyncio.sleep(GAP_S)

    async def do_stop(self, session):
        async with self.starting:
            await self.clients[session].stop()
            await asyncio.sleep(GAP_S)

    async def do_code(self, session, number):
        from neonize.utils.enum import ClientType

        return await self.clients[session].PairPhone(number, True, client_type=ClientType.CHROME)

    async def do_send(self, session, to, text):
        from neonize.utils.jid import build_jid

        return (await self.clients[session].send_message(build_jid(to), text)).ID

    async def do_send_many(self, session, to, text, count):
        return await asyncio.gather(*(self.do_send(session, to, f"{text} {n}") for n in range(count)))

    async def do_me(self, session):
        me = self.clients[session].me
        return f"{me.JID.User}:{me.JID.Device}@{me.JID.Server}"

    async def do_on_whatsapp(self, session, number):
        found = await self.clients[session].is_on_whatsapp(number)
        return [{"in": one.IsIn, "jid": f"{one.JID.User}@{one.JID.Server}"} for one in found]

    async def do_mark_read(self, session, ids, chat):
        from neonize.utils.enum import ReceiptType

        jid = self.jid(chat)
        await self.clients[session].mark_read(*ids, chat=jid, sender=jid, receipt=ReceiptType.READ)

    async def do_typing(self, session, to):
        from neonize.utils.enum import ChatPresence, ChatPresenceMedia

        composing = ChatPresence.CHAT_PRESENCE_COMPOSING
        media = ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT
        await self.clients[session].send_chat_presence(self.jid(to), composing, media)

    async def do_presence(self, session):
        from neonize.utils.enum import Presence

        await self.clients[session].send_presence(Presence.AVAILABLE)

    async def do_subscribe(self, session, to):
        await self.clients[session].subscribe_presence(self.jid(to))

    async def do_logout(self, session):
        await self.clients[session].logout()

    async def do_connected(self, session):
        return await self.clients[session].is_connected

    @staticmethod
    def jid(text):
        from neonize.utils.jid import build_jid

        user, _, server = text.partition("@")
        return build_jid(user, server or "s.whatsapp.net")

    def listen(self, session, client):
        from neonize.aioze import events

        async def qr(_, data):
            self.say(session=session, event="qr", text=data.decode())

        client.event.qr(qr)

        def on(kind, describe):
            async def handler(_, event):
                self.say(session=session, event=kind.__name__, **describe(event))

            client.event(kind)(handler)

        def source(event):
            where = event.Info.MessageSource if event.HasField("Info") else event.MessageSource
            return {
                "sender": f"{where.Sender.User}@{where.Sender.Server}",
                "chat": f"{where.Chat.User}@{where.Chat.Server}",
                "alt": where.SenderAlt.User,
                "recipient_alt": where.RecipientAlt.User,
                "from_me": where.IsFromMe,
            }

        def message(event):
            text = event.Message.conversation or event.Message.extendedTextMessage.text
            protocol = event.Message.HasField("protocolMessage")
            info = event.Info
            return {"id": info.ID, "text": text, "protocol": protocol, "push_name": info.Pushname, **source(event)}

        def plain_source(event):
            where = event.MessageSource
            return {
                "sender": f"{where.Sender.User}@{where.Sender.Server}",
                "chat": where.Chat.User,
                "from_me": where.IsFromMe,
            }

        nothing = lambda _: {}  # noqa: E731
        on(events.PairStatusEv, lambda e: {"id": e.ID.User, "status": e.Status})
        for kind in (
            events.ConnectedEv,
            events.DisconnectedEv,
            events.StreamReplacedEv,
            events.KeepAliveTimeoutEv,
            events.KeepAliveRestoredEv,
            events.ClientOutdatedEv,
        ):
            on(kind, nothing)
        on(events.OfflineSyncPreviewEv, lambda e: {"messages": e.Message, "total": e.Total})
        on(events.OfflineSyncCompletedEv, lambda e: {"count": e.Count})
        on(events.LoggedOutEv, lambda e: {"on_connect": e.OnConnect, "reason": e.Reason})
        on(events.TemporaryBanEv, lambda e: {"code": e.Code, "expire": e.Expire})
        on(events.ConnectFailureEv, lambda e: {"reason": e.Reason})
        on(events.StreamErrorEv, lambda e: {"code": e.Code})
        on(events.MessageEv, message)
        on(events.ReceiptEv, lambda e: {"ids": list(e.MessageIDs), "type": e.Type, **plain_source(e)})
        on(events.ChatPresenceEv, lambda e: {"state": e.State, "media": e.Media, **plain_source(e)})
        on(events.PresenceEv, lambda e: {"who": e.From.User, "unavailable": e.Unavailable})


async def main():
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the engine prints; our lines must stay clean
    config = json.loads(sys.stdin.readline())
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(config.get("threads", 64)))
    provide_libmagic()
    import neonize  # noqa: F401

    trust(bytes.fromhex(config["root_key"]))
    driver = Driver(out, config)
    driver.say(event="ready")
    reader = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running = set()
    while line := await reader.readline():
        task = asyncio.create_task(driver.obey(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    os._exit(0)  # sessions that were never stopped would keep the process for ever


if __name__ == "__main__":
    asyncio.run(main())
