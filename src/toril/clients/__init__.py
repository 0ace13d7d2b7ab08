"""Clients of other protocols for Locust scripts, which report each figure as a request or as a timing.

A call with one reply is a request. A stream is a request from its opening to its end. Its first message is the timing
`NAME (first message)`; each further one is the timing `NAME (message)`, the time since the message before.

The package imports nothing of toril. It needs Locust, and for gRPC and WebSocket the extra `protocols`.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, TypeVar

from gevent import GreenletExit
from locust import User
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopUser
from locust.user.task import LOCUST_STATE_STOPPING

Message = TypeVar("Message")
BY_THE_SCRIPT = (GeneratorExit, InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopUser)  # regular ends
OPERATION = re.compile(r"^\s*(?:query|mutation|subscription)\s+(\w+)", re.MULTILINE)


class CallError(Exception):
    """A failed call; `rc` is its code in results."""

    def __init__(self, rc: str, text: str) -> None:
        super().__init__(text)
        self.rc = rc


class Measured:
    """Reports the block as one request of Locust. An exception that leaves the block makes it a failure.

    A block that the end of the load cuts off has the exception GreenletExit; toril counts it as unfinished. After the
    end no block begins, except in `on_stop`.
    """

    def __init__(self, user: User, name: str, kind: str = "request") -> None:
        self.messages, self.size = 0, 0  # bytes
        self._user, self._name, self._kind = user, name, kind

    def __enter__(self) -> Self:
        if self._user._state == LOCUST_STATE_STOPPING and getattr(self._user, "toril_in_task", False):
            raise StopUser  # the load is over; a worker of toril sets the mark
        self._began_s, self._began = time.time(), time.perf_counter()
        self._last = self._began
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._fire(self._kind, self._name, self._began, self.size, None if isinstance(error, BY_THE_SCRIPT) else error)

    def message(self, size: int = 0) -> None:
        """Reports a message of a stream, which has just arrived, as a timing."""
        self._fire("timing", f"{self._name} ({'message' if self.messages else 'first message'})", self._last, size)
        self._last = time.perf_counter()
        self.messages, self.size = self.messages + 1, self.size + size

    def _fire(self, kind: str, name: str, began: float, size: int, error: BaseException | None = None) -> None:
        self._user.environment.events.request.fire(
            request_type=kind,
            name=name,
            start_time=self._began_s + began - self._began,
            response_time=(time.perf_counter() - began) * 1000,
            response_length=size,
            exception=error,
            context=self._user.context(),
        )


def stream(
    user: User,
    name: str,
    kind: str,
    opened: Callable[[], Iterable[Message]],
    size: Callable[[Message], int],
    messages: int | None = None,
) -> Iterator[Message]:
    """Yields the messages of a stream, and reports the stream as a request and each message as a timing.

    With `messages` the stream ends after that many, and an earlier end is a failure. Without it, the end of the load
    cuts the stream off at its next message.
    """
    with Measured(user, name, kind) as call:
        try:
            for message in opened():
                call.message(size(message))
                yield message
                if call.messages == messages:
                    return
                if messages is None and user._state == LOCUST_STATE_STOPPING:
                    raise GreenletExit
        except CallError as error:
            raise CallError(error.rc, f"{error} (messages received: {call.messages})") from error
        if messages is not None:
            raise CallError("early-end", f"the stream ended early (messages received: {call.messages} of {messages})")


def graphql(
    client: Any, query: str, variables: Mapping[str, Any] | None = None, *, path: str = "/graphql", **options: Any
) -> Any:
    """Sends a query by the client of an HttpUser or FastHttpUser; returns its `data`, None without any.

    `errors` in the response make it a failure. `options` are the client's: `name`, by default the operation's, or
    `headers`.
    """
    operation = OPERATION.search(query)
    options = {"name": operation[1] if operation else "GraphQL", **options}
    body = {"query": query, "variables": dict(variables or {})}
    with client.post(path, json=body, catch_response=True, **options) as response:
        try:
            answer = response.json()
        except (ValueError, TypeError):  # no JSON, or no response
            answer = None
        if not isinstance(answer, dict):
            if 0 < (response.status_code or 0) < 400:  # others fail by themselves
                response.failure("GraphQL: the response is not a JSON object")
            return None
        if errors := answer.get("errors"):
            first = errors[0] if isinstance(errors, list) else errors
            response.failure(f"GraphQL: {first.get('message', first) if isinstance(first, dict) else first}")
        return answer.get("data")
