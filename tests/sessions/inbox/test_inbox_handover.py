"""Sessions move between workers that come and go; whoever reads must hear each of them in order, and everything once."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.inbox import InboxFolder, InboxWriter, Row, StoredRow, inbox_name

WORKERS, SESSIONS = 3, 3
worker = st.integers(0, WORKERS - 1)
session = st.integers(0, SESSIONS - 1).map("s{}".format)
steps = st.one_of(
    st.tuples(st.just("say"), session, st.integers(1, 4)),
    st.tuples(st.just("move"), session, worker),
    st.tuples(st.just("restart"), worker, st.booleans()),
    st.tuples(st.just("read"), st.integers(1, 9), st.integers(0, 9)),
    st.tuples(st.just("delete"), worker, st.booleans()),
)


class World:
    """Workers that own sessions, and one reader with cursors, as the hub has them."""

    def __init__(self, spool: Path, stack: ExitStack) -> None:
        self.spool = spool
        self.stack = stack
        self.boots = count()
        self.writers = [self.start(k) for k in range(WORKERS)]
        self.holder = {f"s{k}": 0 for k in range(SESSIONS)}
        self.said: dict[str, int] = defaultdict(int)
        self.heard: dict[str, list[int]] = defaultdict(list)
        self.cursors: dict[str, int] = {}
        self.folder = self.reopen()

    def start(self, k: int) -> InboxWriter:
        boot = next(self.boots)
        # Younger files claim to be older: the order may not lean on the clock.
        path = self.spool / inbox_name(str(k), str(boot))
        writer = InboxWriter(path, wake=lambda: None, created_us=1000 - boot)
        return self.stack.enter_context(closing(writer))

    def reopen(self) -> InboxFolder:
        return self.stack.enter_context(closing(InboxFolder(self.spool)))

    def say(self, session: str, times: int) -> None:
        for _ in range(times):
            self.writers[self.holder[session]].append(Row(session, "message", 17, self.said[session]))
            self.said[session] += 1

    def move(self, session: str, to: int) -> None:
        self.writers[self.holder[session]].release(session)
        self.holder[session] = to

    def restart(self, k: int, hub_too: bool) -> None:
        self.writers[k].close()
        self.writers[k] = self.start(k)
        if hub_too:
            self.folder.close()
            self.folder = self.reopen()

    def read(self, limit: int, taken: int) -> list[tuple[str, StoredRow]]:
        batch = self.folder.pending(self.cursors, limit)
        assert len(batch) <= limit
        for name, row in batch[:taken]:
            assert row.seq > self.cursors.get(name, 0)
            self.cursors[name] = row.seq
            self.heard[row.session].append(row.at_us)
        return batch

    def delete(self, k: int, retire: bool) -> None:
        for name in self.folder.names():
            if name.startswith(f"inbox-{k}-"):
                self.folder.reader(name).delete_upto(self.cursors.get(name, 0))
                if retire:
                    self.folder.retire(name)


@given(st.lists(steps, max_size=40))
@settings(max_examples=60, deadline=None)
def test_every_session_is_heard_in_order_and_whole(story):
    with TemporaryDirectory() as spool, ExitStack() as stack:
        world = World(Path(spool), stack)
        for verb, *what in story:
            getattr(world, verb)(*what)

        while world.read(5, 5):
            pass
        assert dict(world.heard) == {session: list(range(n)) for session, n in world.said.items()}

        for writer in world.writers:
            writer.close()
        for k in range(WORKERS):
            world.delete(k, retire=True)
        assert list(Path(spool).iterdir()) == []
