"""What the lab is made of: what exists, and what answers. Built once, from the bottom up; nothing listens yet."""

import random
import time

from lab.background import Background
from lab.bell import Bell
from lab.codec import Codec
from lab.devicechanges import DeviceChanges
from lab.faults import Faults
from lab.journal import Journal
from lab.lines import Lines
from lab.linking import Linking
from lab.phones import Phones
from lab.phonestate import Office
from lab.post import Post
from lab.registry import Registry
from lab.router import Router
from lab.stanzas import questions
from lab.stanzas.messages import Messages
from lab.stanzas.prekeys import PreKeys
from lab.stanzas.presence import Presence
from lab.stanzas.receipts import Receipts
from lab.stanzas.syncing import Syncing
from lab.stanzas.usync import Usync


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
        self.prekeys = PreKeys(
            accounts=accounts,
            save=world.registry.save_device,
            phone_bundle=world.phones.bundle,
            faults=world.faults,
        )
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
