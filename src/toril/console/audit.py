"""The audit: one line in the store and one in the log for each change that succeeded.

`Guard` calls `write` before it sends the answer to a change, so that no route can forget it. A route may name its
change better than its function does: `audit(request, "run.start", run_id, workers=6)`.
"""

import json
import logging
import secrets
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from toril.console.identity import SAFE, Person
from toril.masking import mask
from toril.records.console import AuditLine
from toril.text import shortened

LONGEST = 500  # characters of a text

log = logging.getLogger("toril.console")


def audit(request: Request, what: str, target: str = "", **details: object) -> None:
    """Names the change of this request: what was done, to what, and how."""
    request.state.audit = (what, target, details)


def no_change(request: Request) -> None:
    """Declares that this request changes nothing although its method could: it only checks or computes."""
    request.state.audit = None


def write(scope: MutableMapping[str, Any]) -> None:
    """Writes the line of a request that succeeded, if it is a change; StoreError if the store refuses it."""
    state = scope["state"]
    person: Person | None = state.get("person")
    change = state.get("audit", None if scope["method"] in SAFE else ())
    if person is None or change is None:
        return
    parameters = "/".join(str(value) for value in scope.get("path_params", {}).values())
    what, target, details = change or (getattr(scope.get("route"), "name", scope["path"]), parameters, {})
    setup, where = scope["app"].state.setup, client_of(scope)
    record(setup, person, what, target, details, where=where, request_id=state["request_id"])


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
    at = setup.clock.now()
    line = AuditLine(
        at=at,
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
    moment = datetime.fromtimestamp(at, UTC)
    setup.store.put_once(f"audit/{moment:%Y-%m-%d}/{moment:%H%M%S%f}-{secrets.token_hex(4)}.json", line.to_json())


def client_of(scope: MutableMapping[str, Any]) -> str:
    """Returns the address of the client.

    CloudFront and API Gateway each append their client's address to X-Forwarded-For: the last but one is the
    browser's. Without them, the header may be made up and is ignored.
    """
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    if scope["app"].state.setup.origin_secret and forwarded:
        return shortened(([""] * 2 + ",".join(forwarded).split(","))[-2].strip(), 100)
    return str((scope.get("client") or [""])[0])


def _text(value: object) -> str:
    return shortened(mask(str(value)), LONGEST)
