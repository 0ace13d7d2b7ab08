"""The program as the engine would see it, run in this process: no engine, no plugin, no cloud.

    found = run("us-east-1", {"caches": ["ecr-public"]}, World(stacks={HUB: hub_outputs()}))
    assert not found.faults

Each resource goes through the provider's check, and so through what botocore knows of the service's requests.
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
HIDDEN = "<secret>"
NOWHERE = "us-east-1"  # the region of a default provider, which is a fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What the program told the engine of one resource. `shown` are its inputs as far as they are no secrets."""

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    shown: Mapping[str, Any]
    checked: Mapping[str, Any]  # with what the provider adds
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
        """The inputs that are secrets, or have some in them."""
        return frozenset(name for name in self.inputs if self.inputs[name] != self.shown[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One run of the program. `refusal` ended it; `faults` are what the engine or a service would have refused."""

    resources: tuple[Resource, ...]
    exports: Mapping[str, Any]
    secret_exports: frozenset[str]
    said: tuple[str, ...]
    faults: tuple[str, ...]
    refusal: SettingError | None

    def of(self, kind: str) -> list[Resource]:
        """Those of a type, by the end of its name: `Repository`, `ecr/repository:Repository`."""
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
    """Run the program; `config` has the stack's own settings, as its file has them. Only SettingError is caught."""
    texts = as_pulumi_gives_them(config)
    secrets = [f"{PROJECT}:{CREDENTIALS}"]
    monitor = Monitor(world or World(), preview)
    engine = Engine()

    async def go() -> SettingError | None:
        # All that a run sets lies in context variables of this task: runs know nothing of each other.
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
        settings.set_root_resource(None)  # type: ignore[arg-type]  # as the language host does, before there is one
        settings.SETTINGS.outputs.clear()
        try:
            await run_in_stack(program)
        except SettingError as refusal:
            return refusal
        return None

    with asyncio.Runner() as runner:
        refusal = runner.run(go())
    _settle()
    return monitor.found(engine, refusal)


@cache
def _settle() -> None:
    """Half of a run's time would be a search for garbage among the models of AWS, which stay."""
    gc.collect()
    gc.freeze()


def as_pulumi_gives_them(config: Mapping[str, Any]) -> dict[str, str]:
    """A stack's settings together with every declared default; lists and objects as JSON."""
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

    said: list[str] = field(default_factory=list)

    def Log(self, request: Any) -> Any:
        if request.severity != engine_pb2.DEBUG:
            self.said.append(request.message)
        return empty_pb2.Empty()


class _Nowhere(Account):
    """An account that can be named, but not called."""

    __slots__ = ("_number",)

    def __init__(self, number: str) -> None:
        super().__init__(Access(url=None))
        self._number = number

    def number(self) -> str:
        return self._number

    def call(self, service: str, operation: str, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        raise NotInvented(f"{service}:{operation} would have been called")


class _NoMocks(Mocks):
    """MockMonitor wants some, Monitor asks none."""

    def new_resource(self, args: Any) -> Any:
        raise NotInvented(args.typ)

    def call(self, args: Any) -> Any:
        raise NotInvented(args.token)


class Monitor(MockMonitor):
    """Keeps what is registered, and answers with what `invented` says. It is called from several threads."""

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
            said=tuple(engine.said),
            faults=tuple(sorted(self._faults)),
            refusal=refusal,
        )

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """As the engine does it, which leaves the stack out of the types."""
        within = parent.split("::")[2] if parent else STACK
        whole = type_ if within == STACK else f"{within}${type_}"
        return "::".join((f"urn:pulumi:{settings.get_stack()}", str(settings.get_project()), whole, name))

    def RegisterResource(self, request: Any) -> Any:
        if request.type == STACK:
            return super().RegisterResource(request)
        found = self._keep(request)
        id, outputs = self._made(found) if found.aws else (f"{found.name}_id" if found.custom else "", {})
        state = struct(outputs)
        state.MergeFrom(request.object)  # what came in secret goes out so
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
        """Id and outputs, the inputs aside."""
        provider = self._providers.get(found.provider)
        id, outputs = made(found.type, found.urn, found.checked, provider.region if provider else NOWHERE, self._world)
        if self._preview:
            id, outputs = "", dict.fromkeys(outputs, UNKNOWN)
        chosen = {key: value for key, value in found.checked.items() if key not in found.inputs}
        return id, {**outputs, **chosen}


def _shown(value: Any) -> Any:
    """A value of the wire, each secret in it replaced by a mark."""
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
    """All texts in a value, keys and the texts within JSON included."""
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
