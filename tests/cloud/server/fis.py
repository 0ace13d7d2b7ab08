"""AWS FIS: templates and their experiments, which change nothing and end by the durations of their actions."""

import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import iam

from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Request, Service
from tests.cloud.server.paging import page
from tests.cloud.server.state import Regional

PRINCIPAL = "fis.amazonaws.com"
LINKED_ROLE = "AWSServiceRoleForFIS"
DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")
STOPS_AFTER_S = 0.5  # the time of the state `stopping`


@dataclass(slots=True, kw_only=True)
class Experiment:
    """A started experiment, whose state follows from the time."""

    id: str
    template: str
    request: Request
    tags: dict[str, str]
    started_at: float
    ends_at: float
    stopped_at: float | None = None

    @property
    def ended_at(self) -> float:
        stopped = self.ends_at if self.stopped_at is None else self.stopped_at + STOPS_AFTER_S
        return min(self.ends_at, stopped)

    @property
    def status(self) -> str:
        if self.stopped_at is None or self.ends_at < self.stopped_at:
            return "running" if time.time() < self.ends_at else "completed"
        return "stopping" if time.time() < self.ended_at else "stopped"

    def shown(self) -> dict[str, Any]:
        found = {
            "id": self.id,
            "arn": arn("experiment", self.id),
            "experimentTemplateId": self.template,
            "state": {"status": self.status, "reason": f"Experiment {self.status}."},
            "creationTime": self.started_at,
            "tags": self.tags,
        }
        return found

    def details(self) -> dict[str, Any]:
        ended = {"endTime": self.ended_at} if self.status in ("completed", "stopped") else {}
        return {"experiment": {**self.shown(), "startTime": self.started_at, **ended}}


@dataclass(slots=True)
class Here:
    """One region of one account."""

    templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)


HERE: Regional[Here] = Regional(Here)


def arn(kind: str, id: str) -> str:
    return f"arn:aws:fis:{get_region()}:{get_account_id()}:{kind}/{id}"


def tags_of(resource: str) -> dict[str, str]:
    """Returns the tags of a template or experiment; none if it does not exist yet."""
    _, _, _, region, account, name = resource.split(":", 5)
    kind, _, id = name.partition("/")
    here = HERE.of(account, region)
    if kind == "experiment" and id in here.experiments:
        return here.experiments[id].tags
    return dict(here.templates[id]["tags"] if id in here.templates else {})


def needs_role() -> bool:
    """Whether the next start makes the service-linked role of the account."""
    return LINKED_ROLE not in iam._roles


def create_template(request: Request) -> dict[str, Any]:
    id, now = f"EXT{uuid.uuid4().hex[:14]}", time.time()
    made: dict[str, Any] = {"tags": {}, "id": id, "arn": arn("experiment-template", id), "creationTime": now}
    for name in ("description", "targets", "actions", "stopConditions", "roleArn", "tags"):
        if name in request:
            made[name] = request[name]
    HERE.here().templates[id] = made
    return {"experimentTemplate": made}


def get_template(request: Request) -> dict[str, Any]:
    return {"experimentTemplate": _template(request["id"])}


def start(request: Request) -> dict[str, Any]:
    """Starts an experiment, or returns the one that the same token has started."""
    here, template = HERE.here(), _template(request["experimentTemplateId"])
    for made in here.experiments.values():
        if made.request["clientToken"] == request["clientToken"]:
            if made.request != request:
                raise Refusal("ConflictException", "The client token was used with other parameters.", 409)
            return made.details()
    if needs_role():
        iam._create_service_linked_role({"AWSServiceName": PRINCIPAL})
        iam._roles[LINKED_ROLE] = iam._roles.pop("AWSServiceRoleForFis")
    id, now = f"EXP{uuid.uuid4().hex[:14]}", time.time()
    durations = [_seconds(one.get("parameters", {}).get("duration", "")) for one in template["actions"].values()]
    here.experiments[id] = Experiment(
        id=id,
        template=template["id"],
        request=request,
        tags=dict(request.get("tags") or {}),
        started_at=now,
        ends_at=now + max(durations, default=0.0),
    )
    return here.experiments[id].details()


def get(request: Request) -> dict[str, Any]:
    return _experiment(request["id"]).details()


def stop(request: Request) -> dict[str, Any]:
    found = _experiment(request["id"])
    if found.status in ("completed", "stopped"):
        raise Refusal("ValidationException", f"Experiment {found.id} is not in a state that can be stopped.")
    found.stopped_at = found.stopped_at or time.time()
    return found.details()


def list_all(request: Request) -> dict[str, Any]:
    template = request.get("experimentTemplateId")
    found = [one for one in HERE.here().experiments.values() if template in (None, one.template)]
    shown, more = page([one.shown() for one in found], request)
    return {"experiments": list(shown), **more}


def tag(request: Request) -> dict[str, Any]:
    id = request["resourceArn"].rpartition("/")[2]
    found = _experiment(id).tags if ":experiment/" in request["resourceArn"] else _template(id)["tags"]
    found.update(request["tags"])
    return {}


def _template(id: str) -> dict[str, Any]:
    if id not in HERE.here().templates:
        raise Refusal("ResourceNotFoundException", f"Experiment template {id} does not exist.", 404)
    return HERE.here().templates[id]


def _experiment(id: str) -> Experiment:
    if id not in HERE.here().experiments:
        raise Refusal("ResourceNotFoundException", f"Experiment {id} does not exist.", 404)
    return HERE.here().experiments[id]


def _seconds(text: str) -> float:
    """Returns the seconds of a duration such as `PT2M`; 0 for an action without one."""
    found = DURATION.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    return 3600.0 * hours + 60 * minutes + seconds


SERVICE = Service(
    name="fis",
    model="fis",
    operations={
        "CreateExperimentTemplate": create_template,
        "GetExperimentTemplate": get_template,
        "StartExperiment": start,
        "GetExperiment": get,
        "StopExperiment": stop,
        "ListExperiments": list_all,
        "TagResource": tag,
    },
)
