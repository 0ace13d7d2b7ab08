"""What a resource type is: the calls that make, read, change and delete it, and which of its properties may change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.infra.engine.shapes import UNKNOWN, Misfit, Props, fit, is_unknown, problems, request_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One resource as a call sees it: before it exists, its id is unknown."""

    inputs: Props
    before: Props = field(default_factory=dict)  # its inputs until now
    state: Props = field(default_factory=dict)  # its outputs until now
    id: str = UNKNOWN
    region: str
    account: str
    partition: str

    def __getitem__(self, name: str) -> Any:
        return self.inputs.get(name)

    @property
    def tags(self) -> Mapping[str, str]:
        return self.inputs.get("tagsAll") or {}


From = Callable[[View], Any]  # how a request's member follows from the resource


def ID(view: View) -> str:
    return view.id


def ARN(view: View) -> str:
    return str(view.state.get("arn", UNKNOWN))


def TAGS(view: View) -> Mapping[str, str] | None:
    return view.tags or None


def given(name: str, default: Any = None) -> From:
    """An input, or the default."""
    return lambda view: view.inputs.get(name, default)


def derived(name: str, of: Callable[[Any], Any]) -> From:
    """Made of an input as soon as that is known; nothing without it."""

    def value(view: View) -> Any:
        wanted = view[name]
        return wanted if wanted is None else UNKNOWN if is_unknown(wanted) else of(wanted)

    return value


def part(index: int, separator: str) -> From:
    """One part of the id."""
    return lambda view: UNKNOWN if view.id == UNKNOWN else view.id.split(separator)[index]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of the service and where its request comes from."""

    operation: str
    takes: Mapping[str, str]  # property → member
    members: Mapping[str, Any]  # member → a value, or how it follows
    when: From

    def request(self, service: str, view: View, names: Mapping[str, str]) -> dict[str, Any]:
        """The request in the form that the service's model asks for."""
        wanted = {member: view[name] for name, member in self.takes.items()}
        wanted |= {name: value(view) if callable(value) else value for name, value in self.members.items()}
        request = fit(request_shape(service, self.operation), wanted, names)
        return dict(request)

    def checked(self, service: str, view: View, names: Mapping[str, str]) -> dict[str, Any]:
        """The request; Misfit if the service would refuse it."""
        try:
            request = self.request(service, view, names)
        except Misfit as misfit:
            raise Misfit(f"{service}:{self.operation}: {misfit}") from misfit
        if wrong := problems(request_shape(service, self.operation), request):
            raise Misfit(f"{service}:{self.operation}: {'; '.join(wrong)}")
        return request


def call(operation: str, takes: str = "", /, *, when: From = lambda view: True, **members: Any) -> Call:
    """`takes` names the properties that go into the request, as `property` or `property:Member`."""
    pairs = [name.partition(":") for name in takes.split()]
    return Call(
        operation=operation, takes={name: member or name for name, _, member in pairs}, members=members, when=when
    )


def has(*names: str) -> From:
    """Is any of these inputs there?"""
    return lambda view: any(view[name] is not None for name in names)


def lacks(name: str) -> From:
    return lambda view: view[name] is None


def changed(name: str) -> From:
    return lambda view: view[name] != view.before.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A call that reads, and where in its answer the resource is (JMESPath)."""

    call: Call
    at: str | From


def look(operation: str, at: str | From, /, **members: Any) -> Look:
    return Look(call=call(operation, **members), at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagging:
    """How a resource's tags are changed once it exists, and read."""

    add: Call  # sees what is new or different as its tags
    remove: Call  # sees what has to go as its tags
    look: Look | None = None  # none: they are among what was seen
    at: str = "Tags || tags"
    whole: bool = False  # a change has to state all tags, and `remove` removes all


BY_RESOURCE_ARN = Tagging(
    add=call("TagResource", ResourceARN=ARN, Tags=TAGS),
    remove=call("UntagResource", ResourceARN=ARN, TagKeys=lambda view: sorted(view.tags)),
    look=look("ListTagsForResource", "Tags", ResourceARN=ARN),
    at="@",
)

Step = Call | Callable[[View], Sequence[Call]]  # the latter where the inputs say how many calls there are


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A resource type. A property that is in none of `replaces`, `updates` and `local` is refused, not ignored."""

    service: str
    create: tuple[Step, ...]  # the first makes it; a failure of a later one leaves it behind, half finished
    id: str | From  # of the first call's answer (JMESPath), or of the inputs
    read: tuple[Look, ...]  # the first says whether it exists; the others add to what is seen
    delete: tuple[Step, ...] = ()
    replaces: str = ""  # properties whose change makes another resource
    updates: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)  # properties → the calls that change them
    local: str = ""  # properties that only the provider heeds
    outputs: Mapping[str, str | Callable[[View, Any], Any]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)  # irregular names: property → member
    seen_as: Mapping[str, str] = field(default_factory=dict)  # JMESPath to an input, if it's not under its name
    arn_in_answer: str = ""  # where the first call answers with the ARN, if only that identifies the resource
    alive: str = ""  # JMESPath over what was seen: does it still exist?
    auto_name: str | None = None  # the property that gets a name of its own if it has none
    lower_case: bool = False  # such a name
    tagging: Tagging | None = None
    is_global: bool = False  # has no property `region`
    defaults: Mapping[str, Any] = field(default_factory=dict)
    empties: Callable[[Any, View], None] | None = None  # before deletion: (client, view)
    replaced_in_place: bool = False  # the old one has to go before the new one can come

    @property
    def replacing(self) -> frozenset[str]:
        return frozenset({*self.replaces.split(), "region"})

    @property
    def properties(self) -> frozenset[str]:
        """All that it may be given."""
        names = {name for group in self.updates for name in group.split()}
        return frozenset({*names, *self.replacing, *self.local.split(), *(["tags", "tagsAll"] if self.tagging else [])})

    def member(self, name: str) -> str:
        """What the service calls an input."""
        first = self.create[0]
        return first.takes.get(name, self.names.get(name, name)) if isinstance(first, Call) else name
