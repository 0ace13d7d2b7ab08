"""Schedules of EventBridge Scheduler.

- sweeps: a one-time schedule ends a run at its deadline, even without a coordinator, and deletes itself afterwards
- suites: the console's own schedules start coordinators; it lists those from stacks, and cannot change them
"""

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Literal

from toril.aws.client import Clients, call
from toril.aws.coordinators import SCHEDULE, coordinator_task, for_scheduler, home_of, schedule_token
from toril.aws.errors import AwsError
from toril.errors import InfrastructureError, OptionError
from toril.records import Deployment
from toril.records.schedule import SWEEP, SuiteSchedule, read_command

PREFIX = SWEEP  # the role of load tests may only create schedules with this prefix
MOST_CHARACTERS = 64
RETRIES = 10
LATEST_S = 3600
AT_ONCE = 8
MISSING = "ResourceNotFoundException"


# ── sweeps


def plan_sweep(home: Deployment, clients: Clients, run_id: str, deadline: float) -> None:
    """Schedules the run's sweep at its deadline; repeated calls change nothing. InfrastructureError if that fails."""
    role = home_of(home)
    request = _described(
        home,
        role.sweeper_role,
        sweep_task(home, run_id),
        Name=schedule_name(run_id),
        GroupName=role.schedule_group,
        ScheduleExpression=f"at({datetime.fromtimestamp(deadline, UTC):%Y-%m-%dT%H:%M:%S})",
        ScheduleExpressionTimezone="UTC",
        ActionAfterCompletion="DELETE",
        Description=f"Ends remaining tasks of {run_id}",
    )
    try:
        call(clients("scheduler", home.region).create_schedule, "scheduler:CreateSchedule", **request)
    except AwsError as error:
        if error.fault.aws_code != "ConflictException":  # the schedule already exists
            text = f"the sweep of {run_id} at its deadline could not be planned: {error}"
            raise InfrastructureError(text, code=error.code) from error


def cancel_sweep(home: Deployment, clients: Clients, run_id: str) -> tuple[str, ...]:
    """Removes the schedule of a run that has ended. Returns the problems that prevented it."""
    name, group = schedule_name(run_id), home_of(home).schedule_group
    try:
        call(clients("scheduler", home.region).delete_schedule, "scheduler:DeleteSchedule", Name=name, GroupName=group)
    except AwsError as error:
        if error.fault.aws_code != MISSING:
            return (f"the schedule {name} could not be deleted, and will start a sweep at the deadline: {error}",)
    return ()


def schedule_name(run_id: str) -> str:
    """Returns `sweep-` and the run's id; an id that is too long or has invalid characters is cut and hashed."""
    name = PREFIX + run_id
    if len(name) <= MOST_CHARACTERS and re.fullmatch(r"[0-9A-Za-z_.-]+", name):
        return name
    return f"{name[: MOST_CHARACTERS - 17]}-{hashlib.sha256(run_id.encode()).hexdigest()[:16]}"


def sweep_task(home: Deployment, run_id: str) -> dict[str, Any]:
    """Returns the RunTask of the schedule: `toril stop --all-tasks`, with the sweeper's permissions."""
    request = coordinator_task(
        home,
        ["stop", run_id, "--all-tasks", "--store", home.store],
        token=schedule_token(home_of(home).schedule_group, schedule_name(run_id)),
        by=schedule_name(run_id),
        tags={"toril:run": run_id},
        role=home_of(home).sweeper_role,
    )
    return dict(for_scheduler(request))


# ── suites


def suite_schedules(home: Deployment, clients: Clients) -> tuple[list[SuiteSchedule], list[str]]:
    """Returns the schedules of suites, sorted by name, and the names of others in the same groups."""
    scheduler, own = clients("scheduler", home.region), home_of(home)
    schedules: list[SuiteSchedule] = []
    others: list[str] = []
    groups = [group for group in dict.fromkeys((own.console_group, own.schedule_group)) if group]
    listed = [(group, name) for group in groups for name in _names(scheduler, group) if not name.startswith(PREFIX)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda name: _get(scheduler, *name), listed))
    for (group, name), answer in zip(listed, answers, strict=True):
        if answer is None:  # deleted since
            continue
        try:
            schedules.append(_schedule(answer, source="console" if group == own.console_group else "stack"))
        except ValueError:  # made by hand: it may do anything
            others.append(name)
    return sorted(schedules, key=lambda schedule: (schedule.name, schedule.source)), sorted(others)


def create_schedule(home: Deployment, clients: Clients, schedule: SuiteSchedule) -> None:
    """Makes a schedule of the console; OptionError if its name is taken."""
    request = _request(home, schedule)
    try:
        call(clients("scheduler", home.region).create_schedule, "scheduler:CreateSchedule", **request)
    except AwsError as error:
        if error.fault.aws_code == "ConflictException":
            text = f"the schedule {schedule.name} already exists; choose another name"
            raise OptionError(text, code="schedule-exists") from error
        raise


def update_schedule(home: Deployment, clients: Clients, schedule: SuiteSchedule) -> None:
    """Replaces a schedule of the console, also to pause and resume it; OptionError if there is none."""
    request = _request(home, schedule)
    try:
        call(clients("scheduler", home.region).update_schedule, "scheduler:UpdateSchedule", **request)
    except AwsError as error:
        raise _no_such_schedule(schedule.name) if error.fault.aws_code == MISSING else error from error


def delete_schedule(home: Deployment, clients: Clients, name: str) -> None:
    """Deletes a schedule of the console; OptionError if there is none."""
    scheduler, group = clients("scheduler", home.region), _group(home)
    try:
        call(scheduler.delete_schedule, "scheduler:DeleteSchedule", Name=name, GroupName=group)
    except AwsError as error:
        raise _no_such_schedule(name) if error.fault.aws_code == MISSING else error from error


def _described(home: Deployment, role: str, task: Any, **more: str) -> dict[str, Any]:
    """Returns the request for a schedule that runs a task with a role; AWS repeats a failed start for an hour."""
    target = {
        "Arn": f"arn:{role.split(':')[1]}:scheduler:::aws-sdk:ecs:runTask",
        "RoleArn": role,
        "Input": json.dumps(task, separators=(",", ":"), sort_keys=True),
        "DeadLetterConfig": {"Arn": home_of(home).dead_letters},
        "RetryPolicy": {"MaximumRetryAttempts": RETRIES, "MaximumEventAgeInSeconds": LATEST_S},
    }
    return {**more, "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}


def _request(home: Deployment, schedule: SuiteSchedule) -> dict[str, Any]:
    target = coordinator_task(
        home,
        schedule.command(home.store),
        token=schedule_token(_group(home), schedule.name),
        by=f"schedule/{schedule.name}",
        tags={"toril:schedule": schedule.name, "toril:suite": schedule.suite},
        environment={SCHEDULE: schedule.name},
    )
    request = _described(
        home,
        home_of(home).scheduler_role,
        for_scheduler(target),
        Name=schedule.name,
        GroupName=_group(home),
        ScheduleExpression=schedule.when,
        ScheduleExpressionTimezone=schedule.timezone,
        ActionAfterCompletion="DELETE" if schedule.when.startswith("at(") else "NONE",
        Description=f"Runs suites/{schedule.suite}",
        State="DISABLED" if schedule.paused else "ENABLED",
    )
    if schedule.expires_at is not None:
        request["EndDate"] = datetime.fromtimestamp(schedule.expires_at, UTC)
    return request


def _schedule(answer: Any, *, source: Literal["console", "stack"]) -> SuiteSchedule:
    """Returns the schedule in an answer; ValueError if it does not run a suite."""
    try:
        (container,) = json.loads(answer["Target"]["Input"])["Overrides"]["ContainerOverrides"]
        options = read_command(container["Command"])
    except (KeyError, TypeError) as error:
        raise ValueError("Its target is not a coordinator.") from error
    end = answer.get("EndDate")
    return SuiteSchedule.model_validate(
        {
            **options,
            "name": answer["Name"],
            "when": answer["ScheduleExpression"],
            "timezone": answer.get("ScheduleExpressionTimezone", "UTC"),
            "expires_at": None if end is None else end.timestamp(),
            "paused": answer.get("State") == "DISABLED",
            "source": source,
            "began_at": answer.get("StartDate", answer["CreationDate"]).timestamp(),
        }
    )


def _names(scheduler: Any, group: str) -> list[str]:
    names: list[str] = []
    request = {"GroupName": group}
    while True:
        answer = call(scheduler.list_schedules, "scheduler:ListSchedules", **request)
        names += [schedule["Name"] for schedule in answer["Schedules"]]
        if not answer.get("NextToken"):
            return names
        request["NextToken"] = answer["NextToken"]


def _get(scheduler: Any, group: str, name: str) -> Any:
    """Returns the schedule; None if there is none."""
    try:
        return call(scheduler.get_schedule, "scheduler:GetSchedule", Name=name, GroupName=group)
    except AwsError as error:
        if error.fault.aws_code == MISSING:
            return None
        raise


def _group(home: Deployment) -> str:
    """Returns the group of the console's schedules; InfrastructureError if the stack has none."""
    group = home_of(home).console_group
    if not group:
        text = f"{home.region}: the hub has no console, so it has no schedules of its own; set `console` in its stack"
        raise InfrastructureError(text, code="no-console-group")
    return group


def _no_such_schedule(name: str) -> OptionError:
    return OptionError(f"there is no schedule {name}; it may have ended or been deleted", code="no-such-schedule")
