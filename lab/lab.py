"""The lab running: its files, its world, and its three doors, opened and closed in order."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from lab import dictionary, tls
from lab.codec import Codec
from lab.control.application import control_application
from lab.control.context import Context
from lab.dictionary import Dictionary
from lab.journal import Journal
from lab.keys import KeyPair
from lab.login import Logins
from lab.protos import Protos
from lab.proxy import Proxy
from lab.server import ChatServer
from lab.world import Topics, World

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
