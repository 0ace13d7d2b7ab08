"""The audit: a line in the store and one in the log for each change.

`Guard` calls `write` before it sends the answer to a request, so that no route can forget it. A change that succeeded
gets a line made of its route. A route with more to say calls `audit(request, "run.start", run_id, workers=6)`.
"""

import json
import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

from fastapi import Request

from toril.console.identity import SAFE, Person
from toril.records.console import AuditLine
from toril.runs import notes
from toril.secrets.masking import mask
from toril.text import shortened

LONGEST = 500  # characters of a text

log = logging.getLogger("toril.console")


def audit(request: Request, what: str, target: str = "", **details: object) -> None:
    """Records a change that this request has just made, whatever its answer will be."""
    request.state.changes = [*getattr(request.state, "changes", ()), (what, target, details)]


def no_change(request: Request) -> None:
    """Declares that this request has made no change but those that `audit` records: it checks, computes or shows."""
    request.state.no_change = True


def write(scope: MutableMapping[str, Any], status: int) -> None:
    """Writes the lines of a request; StoreError if the store refuses one."""
    state = scope["state"]
    person: Person | None = state.get("person")
    changes = state.get("changes", [])
    if not changes and status < 400 and scope["method"] not in SAFE and not state.get("no_change"):
        target = "/".join(str(value) for value in scope.get("path_params", {}).values())
        changes = [(name_of(scope["method"], getattr(scope.get("route"), "path", scope["path"])), target, {})]
    if person is not None:
        setup, where = scope["app"].state.setup, client_of(scope)
        for what, target, details in changes:
            record(setup, person, what, target, details, where=where, request_id=state["request_id"])


def name_of(method: str, path: str) -> str:
    """Returns the name of a change from its route.

    >>> name_of("POST", "/runs/{run_id}/stop"), name_of("DELETE", "/api/v1/suites/{name}"), name_of("POST", "/logout")
    ('run.stop', 'suite.delete', 'logout')
    """
    first, *rest = (word for word in path.removeprefix("/api/v1").split("/") if word and not word.startswith("{"))
    verb = rest[-1] if rest else {"POST": "create", "PUT": "change"}.get(method, method.lower())
    return f"{first.removesuffix('s')}.{verb}" if rest or first.endswith("s") else first


def record(
    setup: Any,
    person: Person,
    what: str,
    target: str,
    details: Mapping[str, object],
    *,
    where: str = "",
    request_id: str = "",
) -> None:
    """Writes a line to the log and to the store. Credentials are masked, and long texts are shortened."""
    line = AuditLine(
        at=setup.clock.now(),
        who=person.subject,
        name=person.name,
        role=person.role,
        what=what,
        target=_text(target),
        where=where,
        request_id=request_id,
        details={name: _text(value) for name, value in details.items()},
    )
    log.info(json.dumps({"audit": line.model_dump(mode="json")}))
    notes.audit(setup.store, line)


def client_of(scope: MutableMapping[str, Any]) -> str:
    """Returns the address of the client.

    CloudFront and API Gateway each append their client's address to X-Forwarded-For: the last but one is the
    browser's. Without them, the header may be made up and is ignored.
    """
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    if scope["app"].state.setup.origin_digest and forwarded:
        return shortened(([""] * 2 + ",".join(forwarded).split(","))[-2].strip(), 100)
    return str((scope.get("client") or [""])[0])


def _text(value: object) -> str:
    return shortened(mask(str(value)), LONGEST)
