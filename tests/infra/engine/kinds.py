"""Descriptions of resource types: the calls that make, read, change and delete them, and the changeable properties."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.infra.engine.shapes import UNKNOWN, Misfit, Props, fit, is_unknown, problems, request_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One resource for a call. Its id is unknown before it exists."""

    inputs: Props
    before: Props = field(default_factory=dict)  # its previous inputs
    state: Props = field(default_factory=dict)  # its previous outputs
    id: str = UNKNOWN
    region: str
    account: str
    partition: str

    def __getitem__(self, name: str) -> Any:
        return self.inputs.get(name)

    @property
    def tags(self) -> Mapping[str, str]:
        return self.inputs.get("tagsAll") or {}


From = Callable[[View], Any]  # computes a request's member from the resource


def ID(view: View) -> str:
    return view.id


def ARN(view: View) -> str:
    return str(view.state.get("arn", UNKNOWN))


def TAGS(view: View) -> Mapping[str, str] | None:
    return view.tags or None


def given(name: str, default: Any = None) -> From:
    """Returns an input, or the default."""
    return lambda view: view.inputs.get(name, default)


def derived(name: str, of: Callable[[Any], Any]) -> From:
    """Returns a value computed from an input, or nothing if the input is missing or unknown."""

    def value(view: View) -> Any:
        wanted = view[name]
        return wanted if wanted is None else UNKNOWN if is_unknown(wanted) else of(wanted)

    return value


def part(index: int, separator: str) -> From:
    """Returns one part of the id."""
    return lambda view: UNKNOWN if view.id == UNKNOWN else view.id.split(separator)[index]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of the service and the sources of its request."""

    operation: str
    takes: Mapping[str, str]  # property → member
    members: Mapping[str, Any]  # member → a value, or a function of the resource
    when: From

    def request(self, service: str, view: View, names: Mapping[str, str]) -> dict[str, Any]:
        """Returns the request in the form of the service's model."""
        wanted = {member: view[name] for name, member in self.takes.items()}
        wanted |= {name: value(view) if callable(value) else value for name, value in self.members.items()}
        request = fit(request_shape(service, self.operation), wanted, names)
        return dict(request)

    def checked(self, service: str, view: View, names: Mapping[str, str]) -> dict[str, Any]:
        """Returns the request. Raises Misfit if the service would reject it."""
        try:
            request = self.request(service, view, names)
        except Misfit as misfit:
            raise Misfit(f"{service}:{self.operation}: {misfit}") from misfit
        if wrong := problems(request_shape(service, self.operation), request):
            raise Misfit(f"{service}:{self.operation}: {'; '.join(wrong)}")
        return request


def call(operation: str, takes: str = "", /, *, when: From = lambda view: True, **members: Any) -> Call:
    """Returns a call. `takes` lists the properties of its request, as `property` or `property:Member`."""
    pairs = [name.partition(":") for name in takes.split()]
    return Call(
        operation=operation, takes={name: member or name for name, _, member in pairs}, members=members, when=when
    )


def has(*names: str) -> From:
    """Returns a test for the presence of any of these inputs."""
    return lambda view: any(view[name] is not None for name in names)


def lacks(name: str) -> From:
    return lambda view: view[name] is None


def changed(name: str) -> From:
    return lambda view: view[name] != view.before.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A reading call, and the resource's place in its answer (JMESPath)."""

    call: Call
    at: str | From


def look(operation: str, at: str | From, /, **members: Any) -> Look:
    return Look(call=call(operation, **members), at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagging:
    """The calls that change and read an existing resource's tags."""

    add: Call  # its tags are the new and changed ones
    remove: Call  # its tags are the removed ones
    look: Look | None = None  # None: the reading calls return them
    at: str = "Tags || tags"
    whole: bool = False  # a change sets all tags, and `remove` removes all


BY_RESOURCE_ARN = Tagging(
    add=call("TagResource", ResourceARN=ARN, Tags=TAGS),
    remove=call("UntagResource", ResourceARN=ARN, TagKeys=lambda view: sorted(view.tags)),
    look=look("ListTagsForResource", "Tags", ResourceARN=ARN),
    at="@",
)

Step = Call | Callable[[View], Sequence[Call]]  # a function if the number of calls depends on the inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A resource type. A property outside `replaces`, `updates` and `local` is an error."""

    service: str
    create: tuple[Step, ...]  # the first makes it; if a later one fails, it stays unfinished
    id: str | From  # from the first call's answer (JMESPath), or from the inputs
    read: tuple[Look, ...]  # the first shows whether it exists; the others add members
    delete: tuple[Step, ...] = ()
    replaces: str = ""  # properties whose change requires a replacement
    updates: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)  # properties → the calls that change them
    local: str = ""  # properties that only the provider uses
    outputs: Mapping[str, str | Callable[[View, Any], Any]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)  # irregular names: property → member
    seen_as: Mapping[str, str] = field(default_factory=dict)  # JMESPath to an input that has another name in the answer
    arn_in_answer: str = ""  # JMESPath to the ARN in the first call's answer, if only the ARN identifies the resource
    alive: str = ""  # JMESPath over the read members: whether it still exists
    auto_name: str | None = None  # the property that gets an automatic name
    lower_case: bool = False  # for automatic names
    tagging: Tagging | None = None
    is_global: bool = False  # has no property `region`
    defaults: Mapping[str, Any] = field(default_factory=dict)
    empties: Callable[[Any, View], None] | None = None  # before deletion: (client, view)
    replaced_in_place: bool = False  # the old resource must be deleted before the new one is made

    @property
    def replacing(self) -> frozenset[str]:
        return frozenset({*self.replaces.split(), "region"})

    @property
    def properties(self) -> frozenset[str]:
        """All allowed properties."""
        names = {name for group in self.updates for name in group.split()}
        return frozenset({*names, *self.replacing, *self.local.split(), *(["tags", "tagsAll"] if self.tagging else [])})

    def member(self, name: str) -> str:
        """Returns the service's name of an input."""
        first = self.create[0]
        return first.takes.get(name, self.names.get(name, name)) if isinstance(first, Call) else name
