"""Runs the program in this process and records its resources, without an engine, plugins or a cloud.

    found = run("us-east-1", {"caches": ["ecr-public"]}, World(stacks={HUB: hub_outputs()}))
    assert not found.faults

The provider checks each resource, and so checks the requests against botocore's models.
"""

import asyncio
import gc
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import settings
from pulumi.runtime.config import set_all_config
from pulumi.runtime.mocks import MockMonitor, Mocks, MockSettings
from pulumi.runtime.proto import engine_pb2, resource_pb2
from pulumi.runtime.stack import run_in_stack

from infra.program import main
from infra.settings import CREDENTIALS, SettingError
from infra.settings.schema import declared
from tests.infra.engine.cloud import Access, Account
from tests.infra.engine.provider import DEFAULTED, Provider, Unsupported
from tests.infra.engine.server import configured, settings_of
from tests.infra.engine.shapes import UNKNOWN, Misfit
from tests.infra.engine.wire import SECRET, SIGNATURE, plain, struct
from tests.infra.invented import NotInvented, World, answer, made

PROJECT, ORGANISATION = "toril", "organization"
STACK, PROVIDER, REFERENCE = "pulumi:pulumi:Stack", "pulumi:providers:aws", "pulumi:pulumi:StackReference"
STASH = "pulumi:index:Stash"
STASHED = "5ta54ed" * 9  # what the engine keeps of the first update, whatever the program's random value is
HIDDEN = "<secret>"
NOWHERE = "us-east-1"  # the region of a default provider, whose use is a fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A registered resource. `shown` are its inputs with the secrets masked."""

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    shown: Mapping[str, Any]
    checked: Mapping[str, Any]  # the inputs with the provider's additions
    parent: str
    dependencies: frozenset[str]
    provider: str
    custom: bool
    protect: bool
    retained: bool
    aliases: tuple[str, ...]

    @property
    def aws(self) -> bool:
        return self.type.startswith("aws:")

    @property
    def secret(self) -> frozenset[str]:
        """The inputs that are or contain secrets."""
        return frozenset(name for name in self.inputs if self.inputs[name] != self.shown[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One run of the program. `refusal` is its error; the engine or a service would have rejected the `faults`."""

    resources: tuple[Resource, ...]
    exports: Mapping[str, Any]
    secret_exports: frozenset[str]
    messages: tuple[str, ...]  # sorted: resources are made side by side
    faults: tuple[str, ...]
    refusal: SettingError | None

    def of(self, kind: str) -> list[Resource]:
        """Returns the resources of a type, given by the end of its name: `Repository`, `ecr/repository:Repository`."""
        return [one for one in self.resources if one.type.endswith((f":{kind}", f"aws:{kind}"))]

    @property
    def aws(self) -> list[Resource]:
        return [one for one in self.resources if one.aws]

    def urns(self) -> dict[str, Resource]:
        return {one.urn: one for one in self.resources}


def run(
    stack: str,
    config: Mapping[str, Any],
    world: World | None = None,
    *,
    preview: bool = False,
    program: Callable[[], None] = main,
) -> Found:
    """Runs the program with `config`, the settings of the stack's file. Catches only SettingError."""
    texts = as_pulumi_gives_them(config)
    secrets = [f"{PROJECT}:{CREDENTIALS}"]
    monitor = Monitor(world or World(), preview)
    engine = Engine()

    async def go() -> SettingError | None:
        # A run sets only context variables of this task, so runs do not affect each other.
        set_all_config(texts, secrets)
        settings.configure(
            MockSettings(
                monitor=monitor,
                engine=engine,
                project=PROJECT,
                stack=stack,
                dry_run=preview,
                organization=ORGANISATION,
                callbacks=None,
                monitor_features=set(monitor.GetDeploymentInfo(empty_pb2.Empty()).supportedFeatures),
            )
        )
        settings.set_root_resource(None)  # type: ignore[arg-type]  # like the language host, before the stack exists
        settings.SETTINGS.outputs.clear()
        try:
            await run_in_stack(program)
        except SettingError as refusal:
            return refusal
        return None

    with asyncio.Runner() as runner:
        refusal = runner.run(go())
    _freeze_garbage()
    return monitor.found(engine, refusal)


@cache
def _freeze_garbage() -> None:
    """Freezes the garbage collector, which otherwise spends half of a run's time on the models of AWS."""
    gc.collect()
    gc.freeze()


def as_pulumi_gives_them(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns a stack's settings with all declared defaults, and lists and objects as JSON."""
    values = {key: config.get(key, one["default"]) for key, one in declared_settings().items()}
    values |= config
    return {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in values.items()
    }


@cache
def declared_settings() -> Mapping[str, Mapping[str, Any]]:
    return declared()


@dataclass(slots=True)
class Engine:
    """The engine's log."""

    messages: list[str] = field(default_factory=list)

    def Log(self, request: Any) -> Any:
        if request.severity != engine_pb2.DEBUG:
            self.messages.append(request.message)
        return empty_pb2.Empty()


class _Nowhere(Account):
    """An account with a number and without services."""

    __slots__ = ("_number",)

    def __init__(self, number: str) -> None:
        super().__init__(Access(url=None))
        self._number = number

    def number(self) -> str:
        return self._number

    def call(self, service: str, operation: str, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        raise NotInvented(f"The program called {service}:{operation}")


class _NoMocks(Mocks):
    """Mocks that MockMonitor requires and Monitor does not use."""

    def new_resource(self, args: Any) -> Any:
        raise NotInvented(args.typ)

    def call(self, args: Any) -> Any:
        raise NotInvented(args.token)


class Monitor(MockMonitor):
    """Records registrations and returns answers of `invented`. Several threads call it."""

    def __init__(self, world: World, preview: bool) -> None:
        super().__init__(_NoMocks())
        self._world, self._preview = world, preview
        self._lock = threading.Lock()
        self._resources: dict[str, Resource] = {}
        self._exports: dict[str, Any] = {}
        self._secret_exports: frozenset[str] = frozenset()
        self._faults: list[str] = []
        self._providers: dict[str, Provider] = {}

    def found(self, engine: Engine, refusal: SettingError | None) -> Found:
        return Found(
            resources=tuple(one for _, one in sorted(self._resources.items())),
            exports=self._exports,
            secret_exports=self._secret_exports,
            messages=tuple(sorted(engine.messages)),
            faults=tuple(sorted(self._faults)),
            refusal=refusal,
        )

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """Returns a URN like the engine's, without the stack among the types."""
        within = parent.split("::")[2] if parent else STACK
        whole = type_ if within == STACK else f"{within}${type_}"
        return "::".join((f"urn:pulumi:{settings.get_stack()}", str(settings.get_project()), whole, name))

    def RegisterResource(self, request: Any) -> Any:
        if request.type == STACK:
            return super().RegisterResource(request)
        if request.type == STASH:
            request.object.update({"input": {SIGNATURE: SECRET, "value": STASHED}})
        found = self._keep(request)
        id, outputs = self._made(found) if found.aws else (f"{found.name}_id" if found.custom else "", {})
        state = struct(outputs)
        state.MergeFrom(request.object)  # secret inputs stay secret outputs
        if found.type == STASH:
            state.fields["output"].CopyFrom(request.object.fields["input"])
        return resource_pb2.RegisterResourceResponse(urn=found.urn, id=id, object=state)

    def ReadResource(self, request: Any) -> Any:
        stacks = self._world.stacks or {}
        if request.type != REFERENCE or request.id not in stacks:
            raise NotInvented(f"there is no {request.type} {request.id}")
        urn = self.make_urn(request.parent, request.type, request.name)
        state = struct({"name": request.id, "outputs": stacks[request.id], "secretOutputNames": []})
        return resource_pb2.ReadResourceResponse(urn=urn, properties=state)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if request.urn.split("::")[2] == STACK:
            self._exports = plain(request.outputs)
            shown = _shown(request.outputs)
            self._secret_exports = frozenset(key for key in self._exports if shown[key] != self._exports[key])
        return super().RegisterResourceOutputs(request)

    def Invoke(self, request: Any) -> Any:
        provider = self._providers.get(request.provider.rpartition("::")[0])
        if provider is None:
            self._fault(f"{request.tok} uses a default provider")
        found = answer(self._world, request.tok, provider.region if provider else NOWHERE, plain(request.args))
        return resource_pb2.ResourceInvokeResponse(**{"return": struct(found)})

    def _keep(self, request: Any) -> Resource:
        urn = self.make_urn(request.parent, request.type, request.name)
        inputs = plain(request.object)
        found = Resource(
            urn=urn,
            type=request.type,
            name=request.name,
            inputs=inputs,
            shown=_shown(request.object),
            checked=inputs,
            parent=request.parent,
            dependencies=frozenset(request.dependencies),
            provider=request.provider.rpartition("::")[0],
            custom=request.custom,
            protect=request.protect,
            retained=request.retainOnDelete,
            aliases=tuple(str(alias) for alias in request.aliases),
        )
        if request.type == PROVIDER:
            account = _Nowhere(self._world.account)
            self._providers[urn] = replace(configured(account, settings_of(request.object)), account=account)
        elif found.aws:
            found = self._checked(found)
        with self._lock:
            if urn in self._resources:
                self._faults.append(f"{urn} is registered twice")
            self._resources[urn] = found
        return found

    def _checked(self, found: Resource) -> Resource:
        provider = self._providers.get(found.provider)
        if provider is None:
            self._fault(f"{found.urn} uses a default provider")
            return found
        try:
            checked = provider.check(found.type, found.name, b"", found.inputs, {})
        except (Misfit, Unsupported) as refused:
            self._fault(f"{found.urn}: {refused}")
            return found
        return replace(found, checked={key: value for key, value in checked.items() if key != DEFAULTED})

    def _fault(self, text: str) -> None:
        with self._lock:
            self._faults.append(text)

    def _made(self, found: Resource) -> tuple[str, dict[str, Any]]:
        """Returns the id and the outputs that are not inputs."""
        provider = self._providers.get(found.provider)
        id, outputs = made(found.type, found.urn, found.checked, provider.region if provider else NOWHERE, self._world)
        if self._preview:
            id, outputs = "", dict.fromkeys(outputs, UNKNOWN)
        chosen = {key: value for key, value in found.checked.items() if key not in found.inputs}
        return id, {**outputs, **chosen}


def _shown(value: Any) -> Any:
    """Returns a wire value with each secret replaced by a mark."""
    match value:
        case struct_pb2.Struct():
            fields = dict(value.items())
            if fields.get(SIGNATURE) == SECRET:
                return HIDDEN
            return {key: _shown(item) for key, item in fields.items()}
        case struct_pb2.ListValue():
            return [_shown(item) for item in value]
    return plain(value)


def texts(value: Any) -> Iterable[str]:
    """Returns all texts in a value, including keys and texts within JSON."""
    match value:
        case str():
            yield value
        case Mapping():
            for key, item in value.items():
                yield str(key)
                yield from texts(item)
        case list() | tuple():
            for item in value:
                yield from texts(item)
