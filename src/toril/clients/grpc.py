"""gRPC: calls of stubs that grpcio-tools has generated, or of a channel's methods."""

from collections.abc import Iterator
from typing import Any

import grpc
import grpc.experimental.gevent
from locust import User

from toril.clients import CallError, Measured, stream

grpc.experimental.gevent.init_gevent()
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)  # else all channels of the process share one


class GrpcUser(User):
    """A user with a `channel` and a connection of its own. `host` is like shop:443; https:// before it means TLS."""

    abstract = True
    timeout_s = 30.0  # of calls with one reply
    credentials: Any = None  # of TLS; None: those of the machine
    channel_options: tuple[tuple[str, Any], ...] = ()

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        scheme, _, address = (self.host or "").rstrip("/").rpartition("://")
        options = (*OWN_CONNECTION, *self.channel_options)
        if scheme == "https" or self.credentials is not None:
            credentials = self.credentials or grpc.ssl_channel_credentials()
            self.channel = grpc.secure_channel(address, credentials, options)
        else:
            self.channel = grpc.insecure_channel(address, options)

    def call(self, rpc: Any, request: Any, name: str, **options: Any) -> Any:
        """Makes a call with one reply, which is a request; returns the reply, or raises CallError."""
        with Measured(self, name, "gRPC") as sample:
            try:
                reply = rpc(request, **{"timeout": self.timeout_s, **options})
            except grpc.RpcError as error:
                raise _failed(error) from error
            sample.size = _size(reply)
            return reply

    def stream(
        self, rpc: Any, request: Any, name: str, *, messages: int | None = None, **options: Any
    ) -> Iterator[Any]:
        """Yields the replies of a call that has a stream of them; `request` may be an iterator, too."""

        def replies() -> Iterator[Any]:
            call = rpc(request, **options)
            try:
                yield from call
            except grpc.RpcError as error:
                raise _failed(error) from error
            finally:
                call.cancel()

        return stream(self, name, "gRPC", replies, _size, messages)


def _failed(error: Any) -> CallError:
    return CallError(error.code().name, f"grpc: {error.code().name} {error.details()}")


def _size(message: Any) -> int:
    return int(message.ByteSize()) if hasattr(message, "ByteSize") else 0
