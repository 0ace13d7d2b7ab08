"""EventBridge Scheduler: valid schedules, which fire within a second and start tasks."""

import json
import logging
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import ecs, scheduler, sqs

from tests.cloud.server import fargate_requests, roles, run_task
from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Service
from tests.cloud.server.paging import page
from tests.cloud.server.regions import partition_of
from tests.cloud.server.schedules import Schedule, parse
from tests.cloud.server.state import Regional, on_reset

TICK_S = 0.2
EXECUTION_ID, SCHEDULED_TIME = "<aws.scheduler.execution-id>", "<aws.scheduler.scheduled-time>"
RUN_TASK = "scheduler:::aws-sdk:ecs:runTask"  # after the partition
Record = dict[str, Any]
INVOCATIONS: Regional[list[Record]] = Regional(list)
_fired: dict[tuple[str, str, str, str], float] = {}
on_reset(_fired.clear)


def install() -> None:
    scheduler._SCHEDULE_TICK_INTERVAL = TICK_S
    scheduler._tick_schedules = _tick


def check(request: Record) -> None:
    try:
        parse(request["ScheduleExpression"], request.get("ScheduleExpressionTimezone", "UTC"))
    except ValueError as error:
        raise Refusal("ValidationException", str(error)) from error
    window = request["FlexibleTimeWindow"]
    if (window["Mode"] == "FLEXIBLE") != ("MaximumWindowInMinutes" in window):
        raise Refusal("ValidationException", "A flexible time window has a maximum, and no other has one")
    target = request["Target"]
    partition, universal = target["Arn"].split(":", 2)[1:]
    if partition != partition_of(get_region()):
        raise Refusal("ValidationException", f"{target['Arn']} is in another partition than {get_region()}")
    if universal != RUN_TASK:
        raise Refusal("ValidationException", f"The embedded cloud can't invoke {target['Arn']}")
    _input(target)
    if not roles.trusts(target["RoleArn"], "scheduler.amazonaws.com"):
        message = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
        raise Refusal("ValidationException", message)


def _input(target: Record) -> Record:
    try:
        found = json.loads(target.get("Input") or "")
    except ValueError as error:
        raise Refusal("ValidationException", f"Invalid request: Input is not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refusal("ValidationException", "Invalid request: Input is not an object")
    return found


def _tick() -> None:
    """Invokes the schedules that became due since the last call."""
    now = time.time()
    for (account, region, key), record in list(scheduler._schedules._data.items()):
        if record.get("State") != "ENABLED":
            continue
        schedule = parse(record["ScheduleExpression"], record["ScheduleExpressionTimezone"])
        known = (account, region, key, str(record["LastModificationDate"]))
        last = _fired.setdefault(known, _created(record, schedule))
        due = schedule.due(last)
        start, end = (scheduler._to_epoch(record.get(name)) for name in ("StartDate", "EndDate"))
        if due is None or due > now or (start is not None and now < start):
            continue
        _fired[known] = due
        with request_scope(account, region):
            if end is None or due <= end:
                threading.Thread(target=_invoke, args=(record, account, region, due), daemon=True).start()
            done = schedule.once or (end is not None and now > end)
            if done and record.get("ActionAfterCompletion") == "DELETE":
                scheduler._schedules.pop(key, None)


def _created(record: Record, schedule: Schedule) -> float:
    """Returns the start of a schedule. A past at() fires immediately; AWS fires it within its minute."""
    moment = scheduler._to_epoch(record["LastModificationDate"]) or time.time()
    return moment - 60 if schedule.once else moment


def _invoke(record: Record, account: str, region: str, due: float) -> None:
    """Delivers an invocation. One with a client token is delivered twice, because AWS delivers at least once."""
    with request_scope(account, region):
        invocation: Record = {"schedule": record["Name"], "group": record["GroupName"], "at": time.time()}
        try:
            attempts = 2 if "ClientToken" in record["Target"].get("Input", "") else 1
            tasks = [task for _ in range(attempts) for task in _run(record["Target"], due)]
            invocation["tasks"] = list(dict.fromkeys(tasks))
        except Refusal as refusal:
            invocation["error"] = f"{refusal.code}: {refusal.message}"
            _bury(record, refusal)
            logging.getLogger("scheduler").warning("%s: %s", record["Name"], refusal)
        INVOCATIONS.here().append(invocation)


def _run(target: Record, due: float) -> list[str]:
    scheduled = f"{datetime.fromtimestamp(due, UTC):%Y-%m-%dT%H:%M:%SZ}"
    text = target.get("Input", "").replace(SCHEDULED_TIME, scheduled).replace(EXECUTION_ID, uuid.uuid4().hex[:16])
    target = {**target, "Input": text}
    request = fargate_requests.from_universal(_input(target))
    definition = ecs._task_defs.get(ecs._resolve_td_key(request["taskDefinition"]))
    cluster = run_task.cluster_of(request)
    if definition is None:
        raise Refusal("ClientException", f"TaskDefinition not found: {request['taskDefinition']}.")
    role = target["RoleArn"]
    needs = [("ecs:RunTask", definition["taskDefinitionArn"], {"ecs:cluster": cluster["clusterArn"]})]
    passed = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    overrides = request.get("overrides") or {}  # overridden roles, as in any RunTask
    handed = [overrides.get(name) or definition.get(name) for name in ("taskRoleArn", "executionRoleArn")]
    needs += [("iam:PassRole", arn, passed) for arn in handed if arn]
    if request.get("tags") or request.get("propagateTags"):
        task = f"arn:aws:ecs:{get_region()}:{get_account_id()}:task/{cluster['clusterName']}/*"
        needs.append(("ecs:TagResource", task, {"ecs:CreateAction": "RunTask"}))
    for action, resource, context in needs:
        if not roles.allows(role, action, resource, **context):
            raise Refusal("AccessDeniedException", f"{role} is not authorized to perform: {action} on {resource}")
    status, _, body = run_task.run(request)
    answer = json.loads(body)
    if status != 200:
        raise Refusal(answer["__type"], answer["message"])
    if answer["failures"]:
        raise Refusal("ECS.RunTaskFailure", json.dumps(answer["failures"]))
    return [task["taskArn"] for task in answer["tasks"]]


def _bury(record: Record, refusal: Refusal) -> None:
    """Sends a failed invocation to the dead-letter queue, without retries."""
    arn = (record["Target"].get("DeadLetterConfig") or {}).get("Arn")
    if not arn or not roles.allows(record["Target"]["RoleArn"], "sqs:SendMessage", arn):
        return
    url = next((url for url, queue in sqs._queues.items() if queue["attributes"]["QueueArn"] == arn), None)
    if url is not None:
        attributes = {
            name: {"DataType": "String", "StringValue": value}
            for name, value in (("ERROR_CODE", refusal.code), ("ERROR_MESSAGE", refusal.message))
        }
        body = record["Target"].get("Input", "{}")
        sqs._act_send_message({"QueueUrl": url, "MessageBody": body, "MessageAttributes": attributes}, url)


def schedules(request: Record) -> Record:
    """Returns a page of the schedules, in all groups or one."""
    wanted = {name: request[name] for name in ("GroupName", "State") if name in request}
    found = [
        {**{name: one[name] for name in SHOWN}, "Target": {"Arn": one["Target"]["Arn"]}}
        for one in scheduler._schedules.values()
        if wanted.items() <= one.items() and one["Name"].startswith(request.get("NamePrefix", ""))
    ]
    found.sort(key=lambda one: (one["GroupName"], one["Name"]))
    asked = {"nextToken": request.get("NextToken"), "maxResults": request.get("MaxResults")}
    listed, more = page(found, asked)
    return {"Schedules": listed, **({"NextToken": more["nextToken"]} if more else {})}


SHOWN = ("Arn", "Name", "GroupName", "State", "CreationDate", "LastModificationDate")
SERVICE = Service(
    name="scheduler",
    model="scheduler",
    operations={"ListSchedules": schedules},
    checks={"CreateSchedule": check, "UpdateSchedule": check},
)
