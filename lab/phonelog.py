"""What a simulated phone has on its screen: messages in order of arrival, and the small events around them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from lab.bell import Bell
from lab.journal import Journal

KEPT: Final = 100_000
_EVENTS_KEPT: Final = 10_000
_KIND: Final = "item"


@dataclass(frozen=True, slots=True)
class Item:
    """One message on the screen. `sender` and `chat` are numbers; `device` is the address it came from."""

    index: int
    id: str
    sender: str
    chat: str
    device: str
    text: str
    kind: str
    from_me: bool
    at: float


@dataclass(frozen=True, slots=True)
class PhoneEvent:
    """A receipt, somebody typing, a retry, a duplicate: `what` names it, `facts` say the rest."""

    index: int
    what: str
    at: float
    facts: dict[str, Any]


class PhoneLog:
    """The log of one phone. Messages survive a restart, events do not."""

    def __init__(self, *, number: str, journal: Journal, bell: Bell, clock: Callable[[], float]) -> None:
        self._number, self._journal, self._bell, self._clock = number, journal, bell, clock
        self._items: deque[Item] = deque()
        self._by_id: dict[str, Item] = {}
        self._events: deque[PhoneEvent] = deque(maxlen=_EVENTS_KEPT)
        self._next = self._next_event = 0

    @property
    def next(self) -> int:
        """The index that the next message will get."""
        return self._next

    @property
    def next_event(self) -> int:
        return self._next_event

    def restore(self, body: bytes) -> None:
        """Takes back an item as it was kept."""
        self._append(msgspec.msgpack.decode(body, type=Item))

    def add(self, *, id: str, sender: str, chat: str, device: str, text: str, kind: str, from_me: bool) -> Item:
        """A message appears on the screen."""
        item = Item(self._next, id, sender, chat, device, text, kind, from_me, self._clock())
        self._append(item)
        self._journal.put(_KIND, self._number, item.index, lambda: msgspec.msgpack.encode(item))
        self._bell.ring()
        return item

    def note(self, what: str, **facts: Any) -> None:
        """Something happened that is not a message."""
        self._events.append(PhoneEvent(self._next_event, what, self._clock(), facts))
        self._next_event += 1
        self._bell.ring()

    def get(self, message_id: str) -> Item | None:
        return self._by_id.get(message_id)

    def since(self, index: int, limit: int, wanted: Callable[[Item], bool]) -> list[Item]:
        """Messages from an index on, in order of arrival."""
        start = max(index - self._items[0].index, 0) if self._items else 0
        return list(islice(filter(wanted, islice(self._items, start, None)), limit))

    def events_since(self, index: int) -> list[dict[str, Any]]:
        """Events from an index on, as they are told outside."""
        found = (event for event in self._events if event.index >= index)
        return [{"index": event.index, "kind": event.what, "at": event.at, **event.facts} for event in found]

    def _append(self, item: Item) -> None:
        self._items.append(item)
        self._by_id[item.id] = item
        self._next = item.index + 1
        if len(self._items) > KEPT:
            old = self._items.popleft()
            self._by_id.pop(old.id, None)
            self._journal.drop(_KIND, self._number, old.index)
