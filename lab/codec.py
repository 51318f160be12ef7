"""The binary form of stanzas, which abbreviates known words by tables and packs digits two to a byte."""

from __future__ import annotations

import zlib
from typing import Final

from lab.dictionary import Dictionary
from lab.jid import HOSTED, HOSTED_LID, LID, PN, Jid
from lab.node import Node

__all__ = ["Codec", "CodecError", "Node"]

LIST_EMPTY: Final = 0
DOUBLE_0: Final = 236
FB_JID: Final = 246
AD_JID: Final = 247
LIST_8: Final = 248
LIST_16: Final = 249
JID_PAIR: Final = 250
HEX_8: Final = 251
BINARY_8: Final = 252
BINARY_20: Final = 253
BINARY_32: Final = 254
NIBBLE_8: Final = 255

_COMPRESSED: Final = 2
_MAX_PACKED: Final = 127
_MAX_LIST: Final = 0xFFFF
_MAX_BYTES: Final = 2**24
_MAX_DEPTH: Final = 64
_DOMAINS: Final = {PN: 0, LID: 1, HOSTED: 128, HOSTED_LID: 129}
_SERVERS: Final = {number: server for server, number in _DOMAINS.items()}
_NIBBLES: Final = "0123456789-."
_HEX: Final = "0123456789ABCDEF"
_JIDS: Final = frozenset({FB_JID, AD_JID, JID_PAIR})
_TO_HEX: Final = str.maketrans("-.", "ab")
_FROM_HEX: Final = str.maketrans("ab", "-.")


class CodecError(Exception):
    """These bytes are no stanza, or this stanza cannot be written."""


class Codec:
    """Writes and reads stanzas with one version's word tables. Stateless after construction: share one."""

    __slots__ = ("_double", "_single", "_words")

    def __init__(self, dictionary: Dictionary) -> None:
        self._single = dictionary.single
        self._double = dictionary.double
        self._words = {
            word: bytes((DOUBLE_0 + table, index))
            for table, words in enumerate(dictionary.double)
            for index, word in enumerate(words)
        }
        self._words.update({word: bytes((index,)) for index, word in enumerate(dictionary.single) if word})
        self._words[""] = bytes((BINARY_8, 0))

    def encode(self, node: Node, *, compress: bool = False) -> bytes:
        """*node* behind its flags byte. Attributes with an empty value are left out. Raises CodecError."""
        out = bytearray((0,))
        self._write_node(out, node)
        return bytes((_COMPRESSED,)) + zlib.compress(out[1:]) if compress else bytes(out)

    def decode(self, data: bytes) -> Node:
        """The one stanza in *data*, which begins with its flags byte. Raises CodecError, and nothing else."""
        if not data:
            raise CodecError("no bytes at all")
        body = _inflate(data[1:]) if data[0] & _COMPRESSED else data
        reader = _Reader(body, 0 if body is not data else 1, self._single, self._double)
        try:
            node = reader.node(0)
        except IndexError as error:
            raise CodecError("cut short, or a word that is in no table") from error
        if reader.position != len(body):
            raise CodecError(f"{len(body) - reader.position} bytes behind the stanza")
        return node

    def _write_node(self, out: bytearray, node: Node) -> None:
        attrs = [(name, value) for name, value in node.attrs.items() if value != ""]
        content = node.content
        _write_list(out, 1 + 2 * len(attrs) + (content is not None))
        self._write_text(out, node.tag)
        for name, value in attrs:
            self._write_text(out, name)
            if isinstance(value, str):
                self._write_text(out, value)
            else:
                self._write_jid(out, value)
        if isinstance(content, list):
            _write_list(out, len(content))
            for part in content:
                self._write_node(out, part)
        elif isinstance(content, str):
            self._write_text(out, content)
        elif content is not None:
            _write_bytes(out, content)

    def _write_text(self, out: bytearray, text: str) -> None:
        word = self._words.get(text)
        if word is not None:
            out += word
        elif len(text) <= _MAX_PACKED and not text.strip(_NIBBLES):
            _write_packed(out, NIBBLE_8, text.translate(_TO_HEX))
        elif len(text) <= _MAX_PACKED and not text.strip(_HEX):
            _write_packed(out, HEX_8, text)
        else:
            _write_bytes(out, _utf8(text))

    def _write_jid(self, out: bytearray, jid: Jid) -> None:
        if jid.device or jid.server in (HOSTED, HOSTED_LID):
            domain = _DOMAINS.get(jid.server)
            if domain is None or jid.device not in range(256):
                raise CodecError(f"an address at {jid.server} cannot name device {jid.device}")
            out += bytes((AD_JID, domain, jid.device))
            self._write_text(out, jid.user)
            return
        out.append(JID_PAIR)
        if jid.user:
            self._write_text(out, jid.user)
        else:
            out.append(LIST_EMPTY)
        self._write_text(out, jid.server)


class _Reader:
    """A position in one stanza's bytes. An IndexError, past the end or past a table, is the caller's to translate:
    asking before each byte would cost more than all the rest."""

    __slots__ = ("_data", "_double", "_end", "_single", "position")

    def __init__(
        self, data: bytes, position: int, single: tuple[str, ...], double: tuple[tuple[str, ...], ...]
    ) -> None:
        self._data = data
        self._end = len(data)
        self._single = single
        self._double = double
        self.position = position

    def node(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise CodecError("parts within parts, too deep")
        size = self._list_size(self._byte())
        if not size:
            raise CodecError("an empty list where a stanza should be")
        node = Node(self._text())
        for _ in range((size - 1) // 2):
            name = self._text()
            value = self._value(self._byte())
            if value is not None:
                node.attrs[name] = value
        if size % 2 == 0:
            node.content = self._content(depth)
        return node

    def _content(self, depth: int) -> bytes | str | list[Node] | None:
        tag = self._byte()
        if BINARY_8 <= tag <= BINARY_32:
            return self._take(self._size(tag))
        if tag in (LIST_EMPTY, LIST_8, LIST_16):
            return [self.node(depth + 1) for _ in range(self._list_size(tag))]
        return self._string(tag)

    def _value(self, tag: int) -> str | Jid | None:
        return self._jid(tag) if tag in _JIDS else self._string(tag)

    def _string(self, tag: int) -> str | None:
        if 0 < tag < DOUBLE_0:
            return self._single[tag]
        if tag in (NIBBLE_8, HEX_8):
            return self._packed(tag)
        if BINARY_8 <= tag <= BINARY_32:
            return _from_utf8(self._take(self._size(tag)))
        if tag == LIST_EMPTY:
            return None
        if DOUBLE_0 <= tag < FB_JID:
            return self._double[tag - DOUBLE_0][self._byte()]
        raise CodecError(f"byte {tag} where a text should begin")

    def _text(self) -> str:
        value = self._string(self._byte())
        if value is None:
            raise CodecError("nothing where a text should be")
        return value

    def _jid(self, tag: int) -> Jid:
        if tag == JID_PAIR:
            return Jid(self._string(self._byte()) or "", self._text())
        if tag == AD_JID:
            domain, device = self._byte(), self._byte()
            if domain not in _SERVERS:
                raise CodecError(f"an address of the unknown kind {domain}")
            return Jid(self._text(), _SERVERS[domain], device)
        user, device = self._text(), self._number(2)
        return Jid(user, self._text(), device)

    def _packed(self, tag: int) -> str:
        size = self._byte()
        digits = self._take(size & 0x7F).hex()
        if size & 0x80:
            digits = digits[:-1]
        if tag == HEX_8:
            return digits.upper()
        if digits.strip("0123456789ab"):
            raise CodecError("a packed number with an impossible digit")
        return digits.translate(_FROM_HEX)

    def _list_size(self, tag: int) -> int:
        if tag == LIST_8:
            return self._byte()
        if tag == LIST_16:
            return self._number(2)
        if tag == LIST_EMPTY:
            return 0
        raise CodecError(f"byte {tag} where a list should begin")

    def _size(self, tag: int) -> int:
        if tag == BINARY_8:
            return self._byte()
        return self._number(3) & 0xFFFFF if tag == BINARY_20 else self._number(4)

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def _byte(self) -> int:
        byte = self._data[self.position]
        self.position += 1
        return byte

    def _take(self, size: int) -> bytes:
        start = self.position
        self.position = end = start + size
        if end > self._end:
            raise CodecError("cut short")
        return self._data[start:end]


def _write_list(out: bytearray, size: int) -> None:
    if size == 0:
        out.append(LIST_EMPTY)
    elif size < 256:
        out += bytes((LIST_8, size))
    elif size <= _MAX_LIST:
        out.append(LIST_16)
        out += size.to_bytes(2, "big")
    else:
        raise CodecError(f"a list of {size} parts")


def _write_bytes(out: bytearray, data: bytes) -> None:
    size = len(data)
    if size < 256:
        out += bytes((BINARY_8, size))
    elif size < 2**20:
        out.append(BINARY_20)
        out += size.to_bytes(3, "big")
    else:
        out.append(BINARY_32)
        out += size.to_bytes(4, "big")
    out += data


def _write_packed(out: bytearray, tag: int, digits: str) -> None:
    odd = len(digits) % 2
    out.append(tag)
    out.append((len(digits) + odd) // 2 | (0x80 if odd else 0))
    out += bytes.fromhex(digits + "f" if odd else digits)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise CodecError("a text that is not Unicode") from error


def _from_utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise CodecError("a text that is not UTF-8") from error


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        body = inflater.decompress(data, _MAX_BYTES)
    except zlib.error as error:
        raise CodecError("compressed, but not readable") from error
    if not inflater.eof:
        raise CodecError("compressed and cut short, or too large")
    return body
