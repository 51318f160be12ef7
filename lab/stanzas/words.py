"""The shapes that every topic needs: answers to questions, acknowledgements, goodbyes."""

from lab.jid import SERVER, Jid
from lab.node import Node


def result(question: Node, *children: Node) -> Node:
    """The good answer to an `<iq>`."""
    return Node("iq", {"from": question.jid("to") or SERVER, "type": "result", "id": question.text("id")}, [*children])


def refusal(question: Node, code: int, text: str) -> Node:
    """The bad answer to an `<iq>`."""
    attrs: dict[str, str | Jid] = {"from": question.jid("to") or SERVER, "type": "error", "id": question.text("id")}
    return Node("iq", attrs, [Node("error", {"code": str(code), "text": text})])


def acknowledgement(stanza: Node, **more: str | Jid) -> Node:
    """The server's `<ack>` of a message or receipt."""
    attrs: dict[str, str | Jid] = {"class": stanza.tag, "id": stanza.text("id"), "from": stanza.jid("to") or SERVER}
    if stanza.tag != "message":
        attrs |= {name: stanza.attrs[name] for name in ("type", "participant", "recipient") if name in stanza.attrs}
    return Node("ack", attrs | more)


def stream_error(code: str = "", conflict: str = "") -> Node:
    """A goodbye: what the server says before it closes a stream."""
    attrs: dict[str, str | Jid] = {"code": code} if code else {}
    return Node("stream:error", attrs, [Node("conflict", {"type": conflict})] if conflict else None)


def failure(reason: str, code: str = "", expire: str = "") -> Node:
    """A login turned away. `code` and `expire` (seconds) belong to a ban."""
    attrs: dict[str, str | Jid] = {"reason": reason, "location": "lab"}
    return Node("failure", attrs | {"code": code, "expire": expire})
