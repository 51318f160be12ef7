"""The lab put together: what exists, what answers, and what listens; started and stopped in order."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from lab import dictionary, tls
from lab.background import Background
from lab.bell import Bell
from lab.codec import Codec
from lab.control.application import control_application
from lab.control.context import Context
from lab.devicechanges import DeviceChanges
from lab.dictionary import Dictionary
from lab.faults import Faults
from lab.journal import Journal
from lab.keys import KeyPair
from lab.lines import Lines
from lab.linking import Linking
from lab.login import Logins
from lab.phone import Office
from lab.phones import Phones
from lab.post import Post
from lab.protos import Protos
from lab.proxy import Proxy
from lab.registry import Registry
from lab.router import Router
from lab.server import ChatServer
from lab.stanzas import questions
from lab.stanzas.messages import Messages
from lab.stanzas.prekeys import PreKeys
from lab.stanzas.presence import Presence
from lab.stanzas.receipts import Receipts
from lab.stanzas.syncing import Syncing
from lab.stanzas.usync import Usync

HOST = "127.0.0.1"
_SHUTDOWN_S = 2.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where to listen, on this machine only; 0 lets the system choose."""

    control: int = 0
    tls: int = 0
    proxy: int = 0


@dataclass(frozen=True, slots=True)
class Ready:
    """What a program needs to point its engine at the lab. `root_key` is 64 hex digits."""

    control: str
    proxy: str
    ca: str
    root_key: str


class World:
    """What exists: accounts and their phones, who is connected, and how a stanza reaches whom."""

    def __init__(self, *, journal: Journal, codec: Codec) -> None:
        self.clock = time.time
        self.bell, self.background, self.faults = Bell(), Background(), Faults(time.monotonic)
        self.journal = journal
        self.registry = Registry(journal=journal, codec=codec, clock=self.clock, rng=random.Random())
        self.registry.load()
        self.accounts = self.registry.accounts
        self.lines = Lines(background=self.background, faults=self.faults, bell=self.bell, clock=self.clock)
        self.post = Post(lines=self.lines, background=self.background, clock=self.clock)
        self.phones = Phones(registry=self.registry, journal=journal, post=self.post, bell=self.bell, clock=self.clock)
        self.changes = DeviceChanges(
            registry=self.registry,
            post=self.post,
            lines=self.lines,
            phones=self.phones,
            faults=self.faults,
            clock=self.clock,
        )
        self.linking = Linking(
            registry=self.registry,
            faults=self.faults,
            background=self.background,
            clock=self.clock,
            linked=self.changes.linked,
        )


class Topics:
    """What answers: one object a topic."""

    def __init__(self, world: World) -> None:
        accounts, post, clock = world.accounts, world.post, world.clock
        self.messages = Messages(
            accounts=accounts, post=post, faults=world.faults, background=world.background, clock=clock
        )
        self.receipts = Receipts(accounts=accounts, post=post, bell=world.bell, clock=clock)
        self.presence = Presence(accounts=accounts, post=post, lines=world.lines)
        self.prekeys = PreKeys(accounts=accounts, save=world.registry.save_device, phone_bundle=world.phones.bundle)
        self.usync = Usync(accounts=accounts, save=world.registry.save)
        self.syncing = Syncing(collection=world.phones.collection, changed=world.phones.collection_changed)

    def office(self, world: World) -> Office:
        """The server, as a phone sees it."""
        return Office(
            accounts=world.accounts,
            route=self.messages.route,
            receipt=self.receipts.route,
            chatstate=self.presence.route_chatstate,
            bundle=self.prekeys.take,
        )

    def router(self, world: World) -> Router:
        """Who takes what."""
        router = Router()
        router.add("message", "", self.messages.take)
        router.add("receipt", "", self.receipts.take)
        router.add("ack", "", self.receipts.take_ack)
        router.add("presence", "", self.presence.take)
        router.add("chatstate", "", self.presence.take_chatstate)
        router.add("iq", "usync", self.usync.answer)
        router.add("iq", "encrypt", self.prekeys.answer)
        router.add("iq", "w:sync:app:state", self.syncing.answer)
        router.add("iq", "md", world.changes.answer)
        router.add("iq", "w:p", questions.ping)
        router.add("iq", "privacy", questions.privacy)
        router.add("iq", "blocklist", questions.blocklist)
        router.add("iq", "w:profile:picture", questions.picture)
        router.add("iq", "w:m", questions.media_connection)
        router.add("iq", "w:g2", questions.groups)
        return router


@asynccontextmanager
async def running(*, data: Path, cache: Path, ports: Ports, keep: bool) -> AsyncGenerator[Ready]:
    """A lab on files in `data`, for as long as the context lasts. `keep`: accounts and queues are kept there too.

    `cache` is where the engine's word tables are kept between labs. Raises OSError when a port is taken.
    """
    words = await asyncio.to_thread(dictionary.load, cache)
    files, root, codec = tls.ensure(data), root_key(data / "root.key"), Codec(words)
    async with AsyncExitStack() as stack:
        journal = Journal(data / "lab.db" if keep else None)
        stack.callback(journal.close)
        world = World(journal=journal, codec=codec)
        stack.push_async_callback(world.background.stop)
        topics = Topics(world)
        world.phones.open(topics.office(world))
        world.post.attach_phones(world.phones.receive)
        world.background.start(journal.run(), "lab-journal")
        chat = _chat_server(world, topics, root=root, codec=codec, words=words)
        proxy_port = await _listen_for_engines(stack, chat, world, files, ports)
        context = Context(world=world, presence=topics.presence)
        control_port = await _serve(stack, control_application(context), ports.control)
        yield Ready(
            control=f"http://{HOST}:{control_port}",
            proxy=f"http://{HOST}:{proxy_port}",
            ca=str(files.ca),
            root_key=root.public.hex(),
        )


def root_key(path: Path) -> KeyPair:
    """The key that signs the server's; made when it is missing. Engines must trust its public half."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(KeyPair.generate().seed.hex())
    return KeyPair.from_seed(bytes.fromhex(path.read_text()))


def _chat_server(world: World, topics: Topics, *, root: KeyPair, codec: Codec, words: Dictionary) -> ChatServer:
    logins = Logins(
        registry=world.registry,
        lines=world.lines,
        router=topics.router(world),
        faults=world.faults,
        background=world.background,
        clock=world.clock,
        greet=world.phones.greet,
    )
    protos = Protos(words.descriptors)
    return ChatServer(root=root, codec=codec, protos=protos, linking=world.linking, logins=logins, clock=world.clock)


async def _listen_for_engines(
    stack: AsyncExitStack, chat: ChatServer, world: World, files: tls.TlsFiles, ports: Ports
) -> int:
    runner = await _runner(stack, chat.application())
    context = files.context()
    await web.TCPSite(runner, HOST, ports.tls, ssl_context=context, backlog=512).start()
    serve = runner.server
    assert serve is not None  # noqa: S101 - narrows the type: a runner that was set up has one
    proxy = Proxy(context=context, serve=serve, refusing=world.faults.refusing)
    port = await proxy.start(HOST, ports.proxy)
    stack.push_async_callback(chat.stop)
    stack.push_async_callback(proxy.stop)
    return port


async def _serve(stack: AsyncExitStack, application: web.Application, port: int) -> int:
    runner = await _runner(stack, application)
    await web.TCPSite(runner, HOST, port).start()
    return int(runner.addresses[0][1])


async def _runner(stack: AsyncExitStack, application: web.Application) -> web.AppRunner:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_S, handle_signals=False)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner
