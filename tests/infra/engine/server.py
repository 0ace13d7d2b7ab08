"""The provider's gRPC service, as the engine attaches to it.

All provider resources of a program share this server, each with its own connection, which keeps its `Configure`
settings. Secret inputs become secret outputs, and all tags are secret if some are.
"""

import json
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from tests.infra.engine.cloud import Access, Account, Called
from tests.infra.engine.functions import invoke
from tests.infra.engine.provider import Provider, Unfinished, Unsupported
from tests.infra.engine.shapes import UNKNOWN, Misfit, Props, is_unknown, same
from tests.infra.engine.wire import plain, secrets_in, struct

VERSION = "7.51.1"  # the version of pulumi-aws with these types
MOST_BYTES = 64 << 20
SETTINGS = {
    *("region", "defaultTags", "assumeRoles", "accessKey", "secretKey", "token", "useFipsEndpoint", "version"),
    *("allowedAccountIds", "maxRetries", "skipCredentialsValidation", "skipMetadataApiCheck", "skipRegionValidation"),
    "skipRequestingAccountId",
}
DEFAULT_REGION = "us-east-1"


def settings_of(request: Any) -> dict[str, Any]:
    """Returns a provider's settings. The engine sends compound ones as JSON."""
    settings = plain(request)
    return {
        key: json.loads(value) if isinstance(value, str) and value[:1] in {"{", "["} else value
        for key, value in settings.items()
    }


def configured(base: Account, settings: Props) -> Provider:
    """Returns the provider of the settings."""
    access = base.access
    if settings.get("accessKey"):
        access = replace(access, key=settings["accessKey"], secret=settings["secretKey"], token=settings.get("token"))
    account = Account(access, base.log)
    for role in settings.get("assumeRoles") or []:
        account = account.assuming(role["roleArn"], role.get("sessionName") or "pulumi")
    region = settings.get("region")
    return Provider(
        account=account,
        region=DEFAULT_REGION if region in (None, UNKNOWN) else region,
        default_tags=(settings.get("defaultTags") or {}).get("tags") or {},
    )


def _token(request: Any) -> str:
    return str(request.type or request.urn.split("::")[2].rsplit("$", 1)[-1])


def _refused(*reasons: str) -> provider_pb2.CheckResponse:
    return provider_pb2.CheckResponse(failures=[provider_pb2.CheckFailure(reason=reason) for reason in reasons])


@dataclass(slots=True)
class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """`pulumi-resource-aws` for an emulated account."""

    base: Account
    providers: dict[str, Provider] = field(default_factory=dict)  # by connection

    # ---- the plugin itself ----------------------------------------------------------------------------------------

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": "aws", "version": VERSION}))

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    # ---- configuration --------------------------------------------------------------------------------------------

    def CheckConfig(self, request: Any, context: Any) -> Any:
        unknown = sorted(settings_of(request.news).keys() - SETTINGS)
        if unknown:
            return _refused(f"the provider has no {', '.join(unknown)} in tests/infra/engine/server.py")
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        """Reports no replacements: since version 7, no change of a provider replaces its resources."""
        olds, news = settings_of(request.old_inputs or request.olds), settings_of(request.news)
        changed = sorted(key for key in olds.keys() | news.keys() if not same(olds.get(key), news.get(key)))
        return provider_pb2.DiffResponse(changes=_changes(changed), diffs=changed)

    def Configure(self, request: Any, context: Any) -> Any:
        settings = settings_of(request.args)
        with _reported(context):
            self.providers[context.peer()] = configured(self.base, {} if is_unknown(settings) else settings)
        return provider_pb2.ConfigureResponse(supportsPreview=True, acceptSecrets=True)

    # ---- resources ------------------------------------------------------------------------------------------------

    def Check(self, request: Any, context: Any) -> Any:
        name = request.name or request.urn.rsplit("::", 1)[-1]
        try:
            inputs = self._provider(context).check(
                _token(request), name, request.randomSeed, plain(request.news), plain(request.olds)
            )
        except (Misfit, Unsupported) as refusal:
            return _refused(str(refusal))
        return provider_pb2.CheckResponse(inputs=struct(inputs, _secrets(request.news)))

    def Diff(self, request: Any, context: Any) -> Any:
        olds, news = plain(request.old_inputs) or plain(request.olds), plain(request.news)
        for name in request.ignoreChanges:
            news[name] = olds.get(name)
        difference = self._provider(context).diff(_token(request), olds, news)
        return provider_pb2.DiffResponse(
            changes=_changes(difference.changed),
            diffs=difference.changed,
            replaces=difference.replacing,
            deleteBeforeReplace=difference.deletes_first,
            hasDetailedDiff=True,
            detailedDiff={
                name: provider_pb2.PropertyDiff(
                    inputDiff=True, kind=_kind_of_difference(name, olds, news, name in difference.replacing)
                )
                for name in difference.changed
            },
        )

    def Create(self, request: Any, context: Any) -> Any:
        provider, token, inputs = self._provider(context), _token(request), plain(request.properties)
        secret = _secrets(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=struct(provider.foreseen(token, inputs, {}), secret))
        with _reported(context):
            try:
                id, state = provider.create(token, inputs)
            except Unfinished as failure:
                _abort_unfinished(context, failure, inputs, secret)
        return provider_pb2.CreateResponse(id=id, properties=struct(state, secret))

    def Read(self, request: Any, context: Any) -> Any:
        with _reported(context):
            inputs, state = plain(request.inputs), plain(request.properties)
            found = self._provider(context).read(_token(request), request.id, inputs, state)
        if found is None:
            return provider_pb2.ReadResponse()  # no id: the resource does not exist
        now, outputs = found
        mark = {key: value for key, value in inputs.items() if key.startswith("__")}
        secret = _secrets(request.inputs, request.properties)
        return provider_pb2.ReadResponse(
            id=request.id, inputs=struct({**now, **mark}, secret), properties=struct(outputs, secret)
        )

    def Update(self, request: Any, context: Any) -> Any:
        provider, token = self._provider(context), _token(request)
        olds, news, state = plain(request.old_inputs) or plain(request.olds), plain(request.news), plain(request.olds)
        for name in request.ignoreChanges:
            news[name] = olds.get(name)
        secret = _secrets(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=struct(provider.foreseen(token, news, state), secret))
        with _reported(context):
            outputs = provider.update(token, request.id, olds, news, state)
        return provider_pb2.UpdateResponse(properties=struct(outputs, secret))

    def Delete(self, request: Any, context: Any) -> Any:
        with _reported(context):
            state = plain(request.properties)
            self._provider(context).delete(_token(request), request.id, plain(request.old_inputs), state)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        with _reported(context):
            answer = invoke(self._provider(context), request.tok, plain(request.args))
        return provider_pb2.InvokeResponse(**{"return": struct(answer)})

    def _provider(self, context: Any) -> Provider:
        return self.providers[context.peer()]


def _secrets(*properties: Any) -> frozenset[str]:
    found = secrets_in(*properties)
    return found | {"tagsAll"} if "tags" in found else found


def _changes(changed: Any) -> Any:
    kinds = provider_pb2.DiffResponse.DiffChanges
    return kinds.DIFF_SOME if changed else kinds.DIFF_NONE


def _kind_of_difference(name: str, olds: Props, news: Props, replaces: bool) -> Any:
    kinds = provider_pb2.PropertyDiff.Kind
    if olds.get(name) is None:
        return kinds.ADD_REPLACE if replaces else kinds.ADD
    if news.get(name) is None:
        return kinds.DELETE_REPLACE if replaces else kinds.DELETE
    return kinds.UPDATE_REPLACE if replaces else kinds.UPDATE


@contextmanager
def _reported(context: Any) -> Iterator[None]:
    """Reports every failure to the engine, which prints it."""
    try:
        yield
    except Unsupported as missing:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, str(missing))
    except Exception as failure:
        if failure.args or type(failure) is not Exception:  # `abort` itself raises a bare Exception
            context.abort(grpc.StatusCode.UNKNOWN, f"{type(failure).__name__}: {failure}")
        raise


def _abort_unfinished(context: Any, failure: Unfinished, inputs: Props, secret: frozenset[str]) -> NoReturn:
    """Reports an unfinished resource. The engine keeps it in its state and continues at the next update."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=failure.id,
        properties=struct(failure.state, secret),
        reasons=[str(failure)],
        inputs=struct(inputs, secret),
    )
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(failure), details=[packed])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(failure))
    raise AssertionError("abort never returns")


@dataclass(frozen=True, slots=True)
class Running:
    """A running plugin."""

    port: int
    log: list[Called]


@contextmanager
def serving(access: Access) -> Iterator[Running]:
    """Runs the plugin on a free loopback port."""
    base = Account(access)
    with listening(
        lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(Plugin(base), server)
    ) as port:
        yield Running(port, base.log)


@contextmanager
def listening(add: Callable[[grpc.Server], Any]) -> Iterator[int]:
    """Runs a gRPC server with the servicers of `add` on loopback. Yields its port."""
    with futures.ThreadPoolExecutor(max_workers=32) as pool:
        options = [("grpc.max_receive_message_length", MOST_BYTES), ("grpc.max_send_message_length", MOST_BYTES)]
        server = grpc.server(pool, options=options)
        add(server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield port
        finally:
            server.stop(grace=None).wait()
