"""Whether a service leaves connections open after an answer, so that the next request can be sent on the same one.

Some close them and do not say so: a request that is sent just then fails, and they have never seen it. To send it again
could hide what a service does with requests that it has seen. So the first connection to each address is watched for a
moment; until then, and for good where it was closed, each request has a connection of its own. Loaded by path into the
processes of Locust and Apiritif, so that it imports nothing of toril.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,attr-defined,assignment"

import contextlib
import os
import socket
import threading

import urllib3

WATCHED_S = 0.1
ESTABLISHED = 1  # a TCP connection that neither side has closed


class Reuse:
    """What is known of each address."""

    def __init__(self) -> None:
        self._left_open: dict[object, bool] = {}

    def allows(self, connection) -> bool:
        """Whether another request may be sent on a connection that has brought an answer."""
        try:
            peer = connection.getpeername()
        except OSError:
            return False
        if peer not in self._left_open and hasattr(socket, "TCP_INFO"):
            self._left_open[peer] = False
            watched = socket.socket(fileno=os.dup(connection.fileno()))  # open after the pool has closed its own
            timer = threading.Timer(WATCHED_S, self._look, (peer, watched))
            timer.daemon = True
            timer.start()
        return self._left_open.get(peer, True)

    def _look(self, peer, watched) -> None:
        with contextlib.suppress(OSError), watched:
            self._left_open[peer] = watched.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED

    def asked(self) -> None:
        """Have the pools of urllib3 ask this as well, before they hand a connection out again."""
        dropped = urllib3.connectionpool.is_connection_dropped
        urllib3.connectionpool.is_connection_dropped = lambda one: dropped(one) or not self.allows(one.sock)
