"""Takes HOST and PORT before anything else is started, or says in a sentence why it cannot."""

from __future__ import annotations

import errno
import socket

from connector.failures import ExitCode, StartFailure

_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def bind(host: str, port: int) -> list[socket.socket]:
    """Answer a listening socket for each address of *host*; port 0 takes any free one. Raises `StartFailure`.

    Callers may connect at once; they are answered when the server starts.
    """
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for last, (family, _, _, _, address) in enumerate(found, 1 - len(found)):
            try:
                bound.append(_listen(family, address, alone=len(found) == 1))
            except OSError as error:
                # "localhost" names an IPv6 address even where the machine has none: one that works is enough.
                if error.errno not in _NOT_HERE or (last == 0 and not bound):
                    raise
    except OSError as error:
        for listener in bound:
            listener.close()
        raise StartFailure(ExitCode.ADDRESS, _sentence(host, port, error)) from error
    return bound


def _listen(family: int, address: tuple[object, ...], *, alone: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a stop and a start within a minute
        if family == socket.AF_INET6 and not alone:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # its IPv4 twin has a socket of its own
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _sentence(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program: stop it, or set PORT to a free one, for example PORT={_other(port)}."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"This user may not listen on port {port} (under 1024 it is root's): set PORT to a higher one, for example PORT=3001."
    return f"HOST {host} is no address of this machine ({error.strerror}): set HOST=127.0.0.1, or HOST=0.0.0.0 to let other machines in."


def _other(port: int) -> int:
    return port + 1 if port < 65_535 else 3001
