"""Which topic takes which stanza. What nobody takes gets a polite empty answer."""

import logging
from collections.abc import Awaitable, Callable

from lab.lines import Line
from lab.node import Node
from lab.stanzas.words import result

log = logging.getLogger(__name__)

Take = Callable[[Line, Node], Awaitable[None]]


class Router:
    """By tag, and for questions by namespace too."""

    def __init__(self) -> None:
        self._takers: dict[tuple[str, str], Take] = {}

    def add(self, tag: str, xmlns: str, take: Take) -> None:
        """`xmlns` is empty for all that is not an `<iq>`."""
        self._takers[tag, xmlns] = take

    async def take(self, line: Line, node: Node) -> None:
        """Passes one stanza to its topic. An answer of the engine to a question of ours needs nothing."""
        question = node.tag == "iq"
        if question and node.text("type") in ("result", "error"):
            return
        taker = self._takers.get((node.tag, node.text("xmlns") if question else ""))
        if taker is not None:
            await taker(line, node)
        elif question:
            log.debug("nobody takes questions of %s", node.text("xmlns"))
            await line.send(result(node))
