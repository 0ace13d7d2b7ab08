"""The policy documents of planned resources."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.offline import Resource

Statement = Mapping[str, Any]
IDENTITY, TRUST, RESOURCE = "identity", "trust", "resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A document as a resource has it. `kind`: of an identity, of who may assume a role, or of a resource."""

    subject: str
    kind: str
    document: Mapping[str, Any]

    @property
    def statements(self) -> list[Statement]:
        return listed(self.document.get("Statement"))


def policies(resources: Iterable[Resource]) -> Iterator[Policy]:
    """Returns the policies in any input of the resources, which are texts of JSON."""
    for one in resources:
        for name, value in one.inputs.items():
            if isinstance(value, str) and (document := _document(value)):
                identity = TRUST if name == "assumeRolePolicy" else IDENTITY
                kind = identity if one.type.startswith("aws:iam/") else RESOURCE
                yield Policy(subject=subject(one), kind=kind, document=document)


def subject(one: Resource) -> str:
    """Returns a resource's type and name, without its stack."""
    return f"{one.type.removeprefix('aws:')} {one.name}"


def _document(text: str) -> Mapping[str, Any]:
    document = json.loads(text) if text.startswith("{") else {}
    return document if "Statement" in document else {}


def listed(value: Any) -> list[Any]:
    """Returns the values of a statement's member, which may be one value or a list."""
    return value if isinstance(value, list) else [] if value is None else [value]
