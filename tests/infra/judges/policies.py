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

    urn: str
    kind: str
    statements: tuple[Statement, ...]

    @property
    def subject(self) -> str:
        """The resource without its stack: its type and name."""
        return " ".join(self.urn.split("::")[2:]).rpartition("$")[2].removeprefix("aws:")


def policies(resources: Iterable[Resource]) -> Iterator[Policy]:
    """Returns the policies in any input of the resources, which are texts of JSON."""
    for one in resources:
        for name, value in one.inputs.items():
            if isinstance(value, str) and (statements := _statements(value)):
                kind = (
                    TRUST if name == "assumeRolePolicy" else IDENTITY if one.type.startswith("aws:iam/") else RESOURCE
                )
                yield Policy(urn=one.urn, kind=kind, statements=statements)


def _statements(text: str) -> tuple[Statement, ...]:
    if not text.startswith("{"):
        return ()
    document = json.loads(text)
    found = document.get("Statement", ())
    return (found,) if isinstance(found, dict) else tuple(found)


def listed(value: Any) -> list[Any]:
    """Returns the values of a statement's member, which may be one value or a list."""
    return value if isinstance(value, list) else [] if value is None else [value]
