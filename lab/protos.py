"""Message classes made from the engine's own protobuf descriptors, in a pool of their own.

A pool of their own, because a process that also loads the generated modules would otherwise register the same files twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

MESSAGE: Final = "WAWebProtobufsE2E.Message"
CLIENT_PAYLOAD: Final = "WAWebProtobufsWa6.ClientPayload"
SIGNED_IDENTITY: Final = "WAAdv.ADVSignedDeviceIdentity"


class ProtosError(Exception):
    """No such message, or these bytes are not one."""


class Protos:
    """Messages by their full name, such as `WAWebProtobufsE2E.Message`. Fields are only known at run time, hence Any."""

    __slots__ = ("_classes", "_pool")

    def __init__(self, descriptors: Iterable[bytes]) -> None:
        """*descriptors*: serialized FileDescriptorProtos, each after those it imports."""
        self._pool = DescriptorPool()
        self._classes: dict[str, type[Any]] = {}
        for serialized in descriptors:
            self._pool.Add(FileDescriptorProto.FromString(serialized))

    def cls(self, name: str) -> type[Any]:
        """The class of *name*. Raises ProtosError."""
        found = self._classes.get(name)
        if found is None:
            found = self._classes[name] = self._load(name)
        return found

    def new(self, name: str, **fields: Any) -> Any:
        """A new message of the class *name*. Raises ProtosError."""
        return self.cls(name)(**fields)

    def read(self, name: str, data: bytes) -> Any:
        """The message of the class *name* that *data* holds. Raises ProtosError."""
        try:
            return self.cls(name).FromString(data)
        except DecodeError as error:
            raise ProtosError(f"not a {name}") from error

    def _load(self, name: str) -> type[Message]:
        try:
            return GetMessageClass(self._pool.FindMessageTypeByName(name))
        except KeyError as error:
            raise ProtosError(f"the engine knows no message {name}") from error
