"""An HTTP target that answers after a constant time, and reports its accuracy. It never sleeps: give it a core.

Users who start together and always wait equally long would send their requests in one burst forever. So the target
delays the first answer to each user by a random extra time, up to the constant time, and does not count it. After that
the requests are spread evenly.

    python bench/constant_target.py --delay-ms 50 --users 20 --core 1

Prints its address. For each line on stdin, it prints JSON about the time since the previous line. `answered` is a
count. `service_us` has p50, p99 and maximum of the time from reading a request to writing its answer. `blind_us` has
p99 over time and maximum of the time that a request may have waited unread.
"""

import argparse
import collections
import heapq
import json
import math
import os
import random
import select
import socket
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
NOTABLE_S = 20e-6  # shorter turns of the loop are counted together


class Target:
    """One spinning epoll loop. Every answer is due `delay_s` after its request was read."""

    def __init__(self, delay_s: float, users: int) -> None:
        self.delay_s = delay_s
        self.to_spread = users  # first requests that have not yet arrived
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)
        self.clients: dict[int, socket.socket] = {}
        self.due: collections.deque[tuple[float, int]] = collections.deque()  # sorted, since the delay is constant
        self.first: list[tuple[float, int]] = []  # a heap, since their delays are random
        self.poll = select.epoll()
        for fd in (self.listener.fileno(), sys.stdin.fileno()):
            self.poll.register(fd, select.EPOLLIN)
        self.forget()

    def forget(self) -> None:
        self.served: list[float] = []
        self.blind: list[float] = []
        self.looked_s = 0.0

    def serve(self) -> None:
        last = time.perf_counter()
        while True:
            for fd, _ in self.poll.poll(0):
                if fd == self.listener.fileno():
                    self.accept()
                elif fd == sys.stdin.fileno():
                    if not sys.stdin.readline():
                        return
                    sys.stdout.write(json.dumps(self.report()) + "\n")
                    sys.stdout.flush()
                    self.forget()
                    last = time.perf_counter()
                else:
                    self.read(fd)
            now = time.perf_counter()
            while self.due and self.due[0][0] <= now:
                self.answer(*self.due.popleft())
                now = time.perf_counter()
            while self.first and self.first[0][0] <= now:
                self.answer(*heapq.heappop(self.first), counts=False)
            turn_s = now - last
            last = now
            self.looked_s += turn_s
            if turn_s > NOTABLE_S:
                self.blind.append(turn_s)

    def accept(self) -> None:
        client, _ = self.listener.accept()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.clients[client.fileno()] = client
        self.poll.register(client.fileno(), select.EPOLLIN)

    def read(self, fd: int) -> None:
        try:
            data = self.clients[fd].recv(65536)
        except OSError:
            data = b""
        if data:
            due = time.perf_counter() + self.delay_s
            if self.to_spread:
                self.to_spread -= 1
                heapq.heappush(self.first, (due + random.uniform(0, self.delay_s), fd))
            else:
                self.due.append((due, fd))
            return
        self.poll.unregister(fd)
        self.clients.pop(fd).close()

    def answer(self, due: float, fd: int, *, counts: bool = True) -> None:
        client = self.clients.get(fd)
        if client is not None:
            try:
                client.send(ANSWER)
            except OSError:
                return  # the client closed the connection; read() handles that
            if counts:
                self.served.append(time.perf_counter() - due + self.delay_s)

    def report(self) -> dict[str, object]:
        served = sorted(self.served)
        return {
            "answered": len(served),
            "service_us": {name: _us(_rank(served, q)) for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))},
            "blind_us": {"p99": _us(self._blind_99()), "max": _us(max(self.blind, default=0.0))},
        }

    def _blind_99(self) -> float:
        """Returns the time within which the target reads 99 % of requests at random moments, in seconds."""
        left_s = 0.01 * self.looked_s
        for turn_s in sorted(self.blind, reverse=True):
            left_s -= turn_s
            if left_s < 0:
                return turn_s
        return NOTABLE_S


def _rank(values: list[float], q: float) -> float:
    return values[max(0, math.ceil(q * len(values)) - 1)] if values else 0.0


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=50)
    parser.add_argument("--users", type=int, default=0)
    parser.add_argument("--core", type=int)
    asked = parser.parse_args()
    if asked.core is not None:
        os.sched_setaffinity(0, {asked.core})
    target = Target(asked.delay_ms / 1000, asked.users)
    sys.stdout.write(f"http://127.0.0.1:{target.listener.getsockname()[1]}\n")
    sys.stdout.flush()
    target.serve()
