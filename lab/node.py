"""Stanzas: what is said on the wire, as a tree.

Types matter to the engine: an address must be a `Jid`, never its text; refs, keys and ids of keys must be bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.jid import Jid


@dataclass(slots=True)
class Node:
    """A stanza or a part of one. Content: nothing, bytes, a text (which may travel abbreviated), or parts."""

    tag: str
    attrs: dict[str, str | Jid] = field(default_factory=dict[str, str | Jid])
    content: bytes | str | list[Node] | None = None

    @property
    def children(self) -> list[Node]:
        """The parts; empty when the content is something else."""
        return self.content if isinstance(self.content, list) else []

    def child(self, tag: str) -> Node | None:
        """The first part called *tag*."""
        return next((node for node in self.children if node.tag == tag), None)

    def jid(self, name: str) -> Jid | None:
        """The attribute *name* when it is an address."""
        value = self.attrs.get(name)
        return value if isinstance(value, Jid) else None

    def text(self, name: str, default: str = "") -> str:
        """The attribute *name* as text; an address is written out."""
        value = self.attrs.get(name)
        return default if value is None else str(value)

    def bytes_of(self, tag: str) -> bytes:
        """The content of the first part called *tag*, as bytes; empty when there is none."""
        node = self.child(tag)
        return node.raw if node else b""

    @property
    def raw(self) -> bytes:
        """The content as bytes; empty when the content is missing or parts."""
        if isinstance(self.content, str):
            return self.content.encode()
        return self.content if isinstance(self.content, bytes) else b""
