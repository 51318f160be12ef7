"""What one linked device is to be handed, in order, and what became of it: the offline queue and the tests' oracle."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from lab.node import Node

CAPACITY: Final = 200_000  # stanzas waiting for one device
KEPT: Final = 100_000  # deliveries that are over and still told of


_PEER: Final = "peer"  # a message between an account's own devices, which no person ever sees
_TAG: Final = {_PEER: "message"}


class MailboxFull(Exception):
    """A device's offline queue has reached its bound."""


@dataclass(slots=True, eq=False)
class Delivery:
    """One stanza for one device; `kind` is "message", "peer", "receipt" or "notification".

    `settled` says how the engine acknowledged it: "receipt", "ack", or None.
    """

    position: int
    id: str
    kind: str
    sender: str
    at: float
    node: Node | None  # None once settled
    handed: int = 0
    settled: str | None = None
    settled_at: float | None = None


@dataclass(slots=True)
class Counts:
    """Of messages only: receipts and notifications are not what tests count."""

    queued: int = 0
    handed: int = 0
    settled: int = 0
    redelivered: int = 0


class Mailbox:
    """Deliveries in order of arrival. `changed` is told of each one that is new or different."""

    def __init__(self, changed: Callable[[Delivery], None], dropped: Callable[[Delivery], None]) -> None:
        self._changed, self._dropped = changed, dropped
        self._all: deque[Delivery] = deque()
        self._waiting: dict[int, Delivery] = {}
        self._by_id: dict[tuple[str, str], list[Delivery]] = {}
        self._feed: deque[Delivery] | None = None
        self._next = 0
        self._wake: Callable[[], None] = _nobody
        self.counts = Counts()

    def __len__(self) -> int:
        """How many deliveries wait, of every kind."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._all)

    def waiting(self, kind: str) -> int:
        """How many of one kind wait."""
        return sum(1 for delivery in self._waiting.values() if delivery.kind == kind)

    def add(self, node: Node, *, sender: str, at: float) -> Delivery:
        """Appends a stanza. Raises MailboxFull."""
        if len(self._waiting) >= CAPACITY:
            raise MailboxFull(f"{CAPACITY} stanzas already wait for this device")
        delivery = Delivery(self._next, node.text("id"), _kind(node), sender, at, node)
        self.restore(delivery)
        self._changed(delivery)
        if self._feed is not None:
            self._feed.append(delivery)
            self._wake()
        return delivery

    def restore(self, delivery: Delivery) -> None:
        """Takes back a delivery as it was kept."""
        self._next = max(self._next, delivery.position + 1)
        self._all.append(delivery)
        message = delivery.kind == "message"
        self.counts.queued += message
        self.counts.handed += message and delivery.handed > 0
        self.counts.redelivered += max(delivery.handed - 1, 0) if message else 0
        self.counts.settled += message and delivery.settled is not None
        if delivery.settled is None:
            self._waiting[delivery.position] = delivery
            self._by_id.setdefault((_TAG.get(delivery.kind, delivery.kind), delivery.id), []).append(delivery)

    def attach(self, wake: Callable[[], None]) -> deque[Delivery]:
        """A feed for a new connection: all that waits, and then whatever is added. An older feed ends here."""
        self._feed, self._wake = deque(self._waiting.values()), wake
        return self._feed

    def detach(self, feed: deque[Delivery]) -> None:
        """Ends a feed, if it is still the current one."""
        if self._feed is feed:
            self._feed, self._wake = None, _nobody

    def handed(self, delivery: Delivery) -> None:
        """Notes that the stanza was written to the device."""
        delivery.handed += 1
        if delivery.kind == "message":
            self.counts.handed += delivery.handed == 1
            self.counts.redelivered += delivery.handed > 1
        self._changed(delivery)

    def settle(self, tag: str, stanza_id: str, how: str, at: float) -> Delivery | None:
        """The engine acknowledged a stanza: the oldest with that id is over. None when none waits."""
        waiting = self._by_id.get((tag, stanza_id))
        if not waiting:
            return None
        delivery = waiting.pop(0)
        if not waiting:
            del self._by_id[tag, stanza_id]
        del self._waiting[delivery.position]
        delivery.node, delivery.settled, delivery.settled_at = None, how, at
        self.counts.settled += delivery.kind == "message"
        self._changed(delivery)
        self._trim()
        return delivery

    def _trim(self) -> None:
        while len(self._all) > KEPT and self._all[0].settled is not None:
            self._dropped(self._all.popleft())


def _kind(node: Node) -> str:
    return _PEER if node.tag == "message" and node.text("category") == _PEER else node.tag


def _nobody() -> None:
    """Nobody is connected who could be woken."""
