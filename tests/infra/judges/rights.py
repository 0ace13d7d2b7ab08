"""Whether a role may make the calls of the genuine provider for planned resources; `provider_calls.toml` lists them.

IAM's decision is made here for one call: by actions, ARNs and conditions of a role's statements.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from infra.names import MAIN, Names
from tests.infra.invented import ACCOUNT, FUNCTIONS, World, filled, made
from tests.infra.judges.authorisation import Action, Reference
from tests.infra.judges.policies import Statement, listed, policies
from tests.infra.offline import Found, Resource

READ = ("read",)
ROLES = {"deploy": ("create", *READ, "update", "delete"), "drift": READ, "preview": READ}  # role → what it does
ID = re.compile(r"[0-9a-f]{17}")
CONSOLE = "toril:hub:Console$"  # in URNs of its parts, which the role `preview` does not read
WORLD = World()
Context = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a role may make one call in a phase of a resource's life: the statements that allow it, or none."""

    role: str
    phase: str
    kind: str
    action: str
    arn: str
    sids: frozenset[str]

    def __str__(self) -> str:
        """Returns the text of a refusal, without ids."""
        kind, arn = self.kind.removeprefix("aws:"), ID.sub("#", self.arn)
        return f"{self.role} may not {self.phase} {kind}: {self.action} on {arn}"


@cache
def provider_calls() -> Mapping[str, Mapping[str, Any]]:
    """Returns the rows of the table, by type."""
    return tomllib.loads(Path(__file__).with_name("provider_calls.toml").read_text())


def calls(kind: str, phase: str) -> list[str]:
    """Returns the actions of a phase of a resource's life; the first one of `create` makes it."""
    row = provider_calls()[kind]
    return [one if ":" in one else f"{row['service']}:{one}" for one in row.get(phase, "").split()]


def decisions(
    known: Reference, role: str, statements: Sequence[Statement], stacks: Sequence[Found]
) -> Iterator[Decision]:
    """Returns IAM's decisions on the provider's calls with the statements of a role."""
    for stack in stacks:
        place = Place(stack)
        for one in stack.aws:
            if role == "preview" and CONSOLE in one.urn:
                continue
            for phase in ROLES[role]:
                for index, name in enumerate(calls(one.type, phase)):
                    action = known.action(name)
                    assert action is not None, f"provider_calls.toml: {one.type}: {name} is unknown"
                    for arn in place.arns(one, action):
                        sids = allowing(statements, name, arn, place.context(one, action, arn, phase, makes=index == 0))
                        yield Decision(role=role, phase=phase, kind=one.type, action=name, arn=arn, sids=sids)
    for kind in provider_calls().keys() & FUNCTIONS.keys():
        for name in calls(kind, "read"):
            sids = allowing(statements, name, "*", {})
            yield Decision(role=role, phase="read", kind=kind, action=name, arn="*", sids=sids)


class Place:
    """Where a stack's resources are."""

    def __init__(self, stack: Found) -> None:
        self._region = next(str(one.inputs["region"]) for one in stack.aws if one.inputs.get("region"))
        environment = stack.aws[0].urn.split("::")[0].removeprefix("urn:pulumi:").rpartition(".")[0] or MAIN
        self._tags = {"toril:environment": environment}
        self._path = Names(environment).iam_path
        boundaries = [one.inputs["permissionsBoundary"] for one in stack.aws if one.inputs.get("permissionsBoundary")]
        self._boundary = {"iam:PermissionsBoundary": boundaries[0]} if boundaries else {}

    def arns(self, one: Resource, action: Action) -> list[str]:
        """Returns the ARNs on which IAM decides: those of the resource types that the action supports."""
        if not action.arns:
            return ["*"]
        known = [arn for arn in self._known(one) if action.covers(arn)]
        passes = action.name == "iam:PassRole"  # an unset role is not passed
        assert known or passes, f"provider_calls.toml: {one.type}: {action.name} needs {', '.join(action.arns)}"
        return known

    def own(self, one: Resource) -> list[str]:
        if row := provider_calls().get(one.type, {}).get("arn"):
            return self._filled(row, one)
        _, outputs = made(one.type, one.urn, one.checked, self._region_of(one), WORLD)
        return [outputs["arn"]] if "arn" in outputs else []

    def _known(self, one: Resource) -> list[str]:
        beside = provider_calls()[one.type].get("on", ())
        return [*self.own(one), *(arn for template in beside for arn in self._filled(template, one))]

    def context(self, one: Resource, action: Action, arn: str, phase: str, *, makes: bool) -> Context:
        """Returns the values of condition keys. A resource has no tags before it exists."""
        creating = phase == "create"
        parent = "#" not in provider_calls()[one.type].get("arn", "#")  # not its own ARN but that of what it is part of
        new = creating and not parent and (makes or "Tag" in action.name) and arn in self.own(one)
        tags = {**self._tags, **one.checked.get("tagsAll", {})}
        given = {key: value for key, template in self._with(one) for value in self._filled(template, one)}
        return {
            **given,
            **self._boundary,
            **({} if new else {f"aws:ResourceTag/{key}": value for key, value in tags.items()}),
            **({f"aws:RequestTag/{key}": value for key, value in tags.items()} if creating else {}),
            **({"ec2:CreateAction": "Create"} if creating else {}),
        }

    @staticmethod
    def _with(one: Resource) -> Iterable[tuple[str, str]]:
        found: Mapping[str, str] = provider_calls()[one.type].get("with", {})
        return found.items()

    def _region_of(self, one: Resource) -> str:
        return str(one.inputs.get("region") or self._region)

    def _filled(self, template: str, one: Resource) -> list[str]:
        """Returns a template with each value of a listed input, or nothing without the input."""
        names = re.findall(r"\{([\w.]+)(\??)\}", template)
        texts = [template.replace("@path", self._path)]
        for name, optional in names:
            value: Any = one.inputs
            for part in name.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
            values = [f"{each}/" for each in listed(value)] or [""] if optional else listed(value)
            texts = [text.replace(f"{{{name}{optional}}}", str(each)) for text in texts for each in values]
        whole = template.startswith("{") or template.endswith(
            ".amazonaws.com"
        )  # the value of an input, or a service's name
        return [
            filled(text if whole else f"arn:@partition:{text}", one.urn, {}, self._region_of(one), ACCOUNT)
            for text in texts
        ]


def statements_of(role: str, stacks: Sequence[Found]) -> list[Statement]:
    """Returns the statements of a role's policies. `role` is the end of its name."""
    found = [(Place(stack), one) for stack in stacks for one in stack.aws if one.type.startswith("aws:iam/")]
    its = [(place, one) for place, one in found if str(one.inputs.get("role", "")).endswith(f"-{role}")]
    attached = {one.inputs["policyArn"] for _, one in its if "policyArn" in one.inputs}
    own = [one for place, one in found if one.type.endswith(":Policy") and attached & {*place.own(one)}]
    return [each for policy in policies([*(one for _, one in its), *own]) for each in policy.statements]


def allowing(statements: Iterable[Statement], action: str, arn: str, context: Context) -> frozenset[str]:
    """Returns the statements that allow a call, or none if one denies it. An unmet condition is one without a value."""
    fitting = [
        one
        for one in statements
        if action in listed(one["Action"])
        and any(fnmatchcase(arn, pattern) for pattern in listed(one["Resource"]))
        and _holds(one.get("Condition", {}), context)
    ]
    denied = any(one["Effect"] == "Deny" for one in fitting)
    return frozenset() if denied else frozenset(one["Sid"] for one in fitting)


def _holds(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    return all(
        _fits(operator, context.get(key), listed(wanted))
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def _fits(operator: str, value: str | None, wanted: list[str]) -> bool:
    qualifier, _, plain = operator.rpartition(":")
    if plain == "Null":
        return (value is None) == (wanted == ["true"])
    if value is None:
        return plain.endswith("IfExists") or qualifier == "ForAllValues"
    compared = fnmatchcase if plain.startswith(("StringLike", "Arn")) else str.__eq__
    return any(compared(value, one) for one in wanted)
