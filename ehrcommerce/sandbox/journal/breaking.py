"""Ways to break a connection in the middle of an answer, for planted faults and for spoiled answers."""

import errno
import socket
import struct
from collections.abc import Iterator

from django.http import HttpRequest


def broken_off(first: bytes) -> Iterator[bytes]:
    """The server takes this error for a client that went away: it closes the connection and says nothing more."""
    if first:
        yield first
    raise ConnectionResetError(errno.ECONNRESET, "planted fault")


def reset_on_close(request: HttpRequest) -> None:
    """With a linger time of zero the close becomes a TCP reset."""
    connection = request.META.get("gunicorn.socket")
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
