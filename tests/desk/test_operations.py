"""Each operation through each face that offers it: the same effect, refusals, author, and line in the audit.

The faces: a command over a folder; the same over a console (`--store https://…`); the API; a form of a page; a tool for
assistants; the same over a console. A cell that is a text is empty on purpose, and the text is the reason.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.desk.faces import (
    ENDED,
    FAILED,
    FIRST,
    LIVE,
    NIGHT,
    NONE,
    OTHER,
    OVER,
    SECOND,
    THIRD,
    WAITING,
    Call,
    Done,
    World,
    call,
    changes,
    command_of,
    commands,
    filled,
    keys_match,
)  # fmt: skip
from toril.console.identity import ROLES, Role

FACES = ("command", "remote_command", "api", "page", "tool", "remote_tool")
SECOND_FORM = "page_of_list"  # a form of the list of runs, beside that of the run's page


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One row. `given` has the values of its calls. `leaves`: which keys change; `record`: fields of the first of them.
    `audit`: lines of the console.

    `refuses`: what is different in `given`, and the code. A code by face is the code of its own door.
    """

    command: Call | str
    api: Call | str
    page: Call | str
    tool: Call | str
    page_of_list: Call | str = "the list has no such button"
    remote_command: Call | str = ""  # "": the command's own line
    remote_tool: Call | str = ""  # "": the tool's own call
    given: Mapping[str, Any] = field(default_factory=dict)
    leaves: tuple[str, ...]
    record: Mapping[str, Any] = field(default_factory=dict)
    audit: tuple[tuple[str, str], ...]
    silent: tuple[str, ...] = ()  # faces that do it in order to read, without a line
    role: Role = "operator"
    refuses: Mapping[str, tuple[Mapping[str, Any], str | Mapping[str, str]]] = field(default_factory=dict)

    def cell(self, face: str) -> Call | str:
        own: Call | str = getattr(self, face)
        return own or (self.command if face == "remote_command" else self.tool)


ASSISTANTS = "an assistant writes suites, and starts, stops, adjusts and annotates runs; the rest stays with people"
NO_COMMAND = "a console's own operation; no command has it"
NIGHTLY = {**NIGHT.model_dump(mode="json", exclude={"began_at"}), "when": "rate(2 days)"}
NEW_NIGHT = {"name": "second", "suite": "{suite}", "when": "{when}", "timezone": "UTC"}
OF_NIGHT = {"preset": "custom", "suite": "{suite}", "when": "{when}", "timezone": "UTC"}
YAML = {"@form": "/suites/shop/edit?view=yaml", "view": "yaml", "text": "{text}", "do": "save"}
DIGEST = hashlib.sha256(THIRD).hexdigest()

OPERATIONS = {
    # ── runs
    "start": Operation(
        command="the command owns its run and leaves a plan in place of a request: end_to_end/test_run.py",
        remote_command="see the options of a start, below", remote_tool="see the options of a start, below",
        api=call("POST /runs", suite="{suite}"),
        page=call("POST /suites/{suite}/start"),
        tool=call("start_run", suite="{suite}"),
        given={"suite": "shop"},
        record={"suite": "shop", "version": 2, "on": "local", "by": "Ada"},
        leaves=("requests/NEW.json",),
        audit=(("run.start", "NEW"),),
        refuses={"no suite": ({"suite": "none"}, "no-such-suite")},
    ),
    "run again": Operation(
        command=NO_COMMAND, api="`POST /runs` with the request of the run", tool="`start_run`",
        page=call("POST /runs/{run}/rerun"),
        given={"run": OTHER},
        record={"version": 1, "by": "Ada", "overrides": ["execution.0.throughput=8"], "smoke": True},
        leaves=("requests/NEW.json",),
        audit=(("run.start", "NEW"),),
        refuses={"no run": ({"run": NONE}, "no-such-run")},
    ),
    "stop": Operation(
        command=call("stop {run}"),
        api=call("POST /runs/{run}/stop"),
        page=call("POST /runs/{run}/stop"),
        tool=call("stop_run", run_id="{run}"),
        given={"run": LIVE},
        record={"cause": "user"},
        leaves=(f"runs/{LIVE}/stop.json",),
        audit=(("run.stop", LIVE),),
        refuses={"no run": ({"run": NONE}, "no-such-run"), "a run that is over": ({"run": OVER}, "run-over")},
    ),
    "stop if it is running": Operation(
        command=call("stop {run} --ignore-missing"),
        api="a program compares the code", page="the page of a run that is over has no such button",
        tool="an assistant reads the error",
        given={"run": OVER},
        leaves=(),
        audit=(),
    ),
    "cancel": Operation(
        command=call("stop {run}"),
        api=call("POST /runs/{run}/stop"),
        page=call("POST /runs/{run}/stop"),
        tool=call("stop_run", run_id="{run}"),
        given={"run": WAITING},
        record={"code": "cancelled"},
        leaves=(f"requests/{WAITING}.failed.json",),
        audit=(("run.stop", WAITING),),
    ),
    "adjust": Operation(
        command=call("adjust {run} --rate {rate} --execution {execution}"),
        api=call("POST /runs/{run}/rates", rate="{rate}", execution="{execution}"),
        page=call("POST /runs/{run}/rate", rate="{rate}", execution="{execution}"),
        tool=call("adjust_rate", run_id="{run}", rate="{rate}", execution="{execution}"),
        given={"run": LIVE, "rate": "+20%", "execution": "buy"},
        record={"number": 1, "execution": "buy", "rps": 120.0, "cause": "user", "by": "Ada"},
        leaves=(f"runs/{LIVE}/rates/*",),
        audit=(("run.adjust", LIVE),),
        refuses={
            "no run": ({"run": NONE}, "no-such-run"),
            "a run that is over": ({"run": OVER}, "run-over"),
            "no rate": ({"rate": "fast"}, "option-value"),
            "a rate out of range": ({"rate": "-200%"}, "rate-out-of-range"),
            "no execution": ({"execution": "sell"}, "no-such-execution"),
        },
    ),
    "judge again": Operation(
        command=call("report {run} --format json"),
        remote_command="the command judges for itself, and a console's store takes no verdict",
        api=call("GET /runs/{run}/report?format=json"),
        page=call("POST /runs/{run}/judge"),
        tool=call("read_run", run_id="{run}"), remote_tool="as the command",
        given={"run": ENDED},
        leaves=(f"runs/{ENDED}/*", "history/shop/*", "index/*"),
        audit=(("run.judge", ENDED),),
        silent=("api", "tool"),
        role="viewer",
        refuses={"no run": ({"run": NONE}, "no-such-run"), "a running run": ({"run": LIVE}, "run-not-over")},
    ),
    "delete": Operation(
        command="`toril runs --prune` deletes by age", tool=ASSISTANTS,
        api=call("DELETE /runs/{run}"),
        page=call("POST /runs/{run}/delete"),
        page_of_list=call("POST /runs", run=["{run}"]),
        given={"run": OVER},
        leaves=(f"runs/{OVER}/*", f"notes/{OVER}/*", "history/shop/*", "index/*", "baselines/shop.json"),
        audit=(("run.delete", OVER),),
        role="admin",
        refuses={"no run": ({"run": NONE}, "no-such-run"), "a running run": ({"run": LIVE}, "run-not-over")},
    ),
    "delete several": Operation(
        command="`toril runs --prune` deletes by age", tool=ASSISTANTS, api="a request for each run",
        page="the page of one run",
        page_of_list=call("POST /runs", run=[OVER, FAILED]),
        leaves=(f"runs/{OVER}/*", f"runs/{FAILED}/*", f"notes/{OVER}/*", "history/shop/*", "index/*",
                "baselines/shop.json"),
        audit=(("run.delete", OVER), ("run.delete", FAILED)),
        role="admin",
    ),
    "prune": Operation(
        command=call("runs --prune {age}"),
        remote_command="a console deletes no runs by age: console/test_remote.py",
        api="`DELETE` of each run", page="the list deletes the selected runs", tool=ASSISTANTS,
        given={"age": "0m"},
        leaves=(f"runs/{OVER}/*", f"runs/{OTHER}/*", f"runs/{FAILED}/*", f"runs/{ENDED}/*", "baselines/shop.json"),
        audit=(),
        refuses={"no age": ({"age": "old"}, "option-value")},
    ),
    # ── notes and baselines
    "note": Operation(
        command=NO_COMMAND,
        api=call("POST /runs/{run}/notes", text="{text}"),
        page=call("POST /runs/{run}/notes", note="{text}"),
        tool=call("add_note", run_id="{run}", text="{text}"),
        given={"run": OVER, "text": "slow since noon"},
        record={"run_id": OVER, "text": "slow since noon", "by": "Ada"},
        leaves=(f"notes/{OVER}/MOMENT.json",),
        audit=(("run.note", OVER),),
        refuses={
            "no run": ({"run": NONE}, "no-such-run"),
            "no text": ({"text": ""}, {"": "invalid-note", "api": "invalid-request", "remote_tool": "invalid-request"}),
        },
    ),
    "set baseline": Operation(
        command=call("suite pin {suite} {run}"), tool=ASSISTANTS,
        api=call("PUT /runs/{run}/baseline"),
        page=call("POST /runs/{run}/baseline", sure="true"),  # its load is not that of the suite's version
        given={"suite": "shop", "run": OTHER},
        record={"suite": "shop", "run_id": OTHER, "by": "Ada"},
        leaves=("baselines/shop.json",),
        audit=(("baseline.set", OTHER),),
        refuses={"no run": ({"run": NONE}, "no-such-run")},
    ),
    "set a failed baseline": Operation(
        command=call("suite pin shop {run}"), tool=ASSISTANTS,
        api=call("PUT /runs/{run}/baseline"),
        page=call("POST /runs/{run}/baseline", sure="true"),
        given={"run": FAILED},
        record={"suite": "shop", "run_id": FAILED, "by": "Ada"},
        leaves=("baselines/shop.json",),
        audit=(("baseline.set", FAILED),),
    ),
    "clear baseline": Operation(
        command=call("suite pin {suite} --clear"), tool=ASSISTANTS,
        api=call("DELETE /suites/{suite}/baseline"),
        page=call("POST /suites/{suite}/baseline/clear"),
        given={"suite": "shop", "run": OTHER},
        leaves=("baselines/shop.json",),
        audit=(("baseline.clear", OVER),),
    ),
    # ── suites
    "save": Operation(
        command=call("suite push {folder}"), tool="it names the version that it follows",
        api=call("POST /suites/{suite}/versions", files={"suite.yml": DIGEST}),
        page=call("POST /suites/{suite}/edit", **YAML),
        given={"suite": "shop", "text": THIRD.decode()},
        record={"number": 3, "by": "Ada", "files": {"suite.yml": DIGEST}},
        leaves=("versions/shop/000003.json", "versions/shop/files/*"),
        audit=(("suite.save", "shop"),),
    ),
    "save the next version of one": Operation(
        command="`toril suite push` follows any version", page="a field of the editor: console/test_editing.py",
        api=call("POST /suites/{suite}/versions", files={"suite.yml": DIGEST}, expected="{now}"),
        tool=call("push_suite", suite="{suite}", expected="{now}", files={"suite.yml": "{text}"}, comment="newer"),
        given={"suite": "shop", "text": THIRD.decode(), "now": 2},
        record={"number": 3, "by": "Ada"},
        leaves=("versions/shop/000003.json", "versions/shop/files/*"),
        audit=(("suite.save", "shop"),),
        refuses={"a newer version": ({"now": 1}, "version-conflict")},
    ),
    "restore": Operation(
        command="`toril suite push` of an earlier commit", api="`POST /suites/{name}/versions` with the earlier files",
        tool=ASSISTANTS,
        page=call("POST /suites/{suite}/versions/{number}"),
        given={"suite": "shop", "number": "1"},
        record={"number": 3, "by": "Ada", "files": {"suite.yml": hashlib.sha256(FIRST).hexdigest()}},
        leaves=("versions/shop/000003.json",),
        audit=(("suite.restore", "shop"),),
        refuses={"no version": ({"number": "9"}, "no-such-suite"), "no suite": ({"suite": "none"}, "no-such-suite")},
    ),
    "copy": Operation(
        command="`toril suite push` of a copy", api="`POST /suites/{name}/versions` of its files", tool=ASSISTANTS,
        page=call("POST /suites/{suite}/copy", to="{to}"),
        given={"suite": "shop", "to": "shop2"},
        record={"number": 1, "by": "Ada", "files": {"suite.yml": hashlib.sha256(SECOND).hexdigest()}},
        leaves=("versions/shop2/*",),
        audit=(("suite.copy", "shop"),),
        refuses={
            "no suite": ({"suite": "none"}, "no-such-suite"),
            "a taken name": ({"to": "spare"}, "version-conflict"),
        },
    ),
    "delete suite": Operation(
        command=NO_COMMAND, tool=ASSISTANTS,
        api=call("DELETE /suites/{suite}"),
        page=call("POST /suites/{suite}/delete"),
        given={"suite": "spare"},
        leaves=("versions/spare/*",),
        audit=(("suite.delete", "spare"),),
        refuses={
            "no suite": ({"suite": "none"}, "no-such-suite"),
            "a suite in use": ({"suite": "shop"}, "suite-in-use"),
        },
    ),
    "try": Operation(
        command="`toril try` owns its run", remote_command="see the options of a start, below",
        api="`POST /runs` with `tried`", page="the same as the start, with `tried`",
        tool=call("try_suite", suite="{suite}"),
        given={"suite": "shop"},
        record={"suite": "shop", "version": 2, "on": "local", "by": "Ada", "tried": True},
        leaves=("requests/NEW.json",),
        audit=(("run.start", "NEW"),),
        refuses={"no suite": ({"suite": "none"}, "no-such-suite")},
    ),
    "try a draft": Operation(
        command="`toril try` of a folder", api="a saved version", page="a saved version",
        tool=call("try_suite", suite="{suite}", files={"suite.yml": "{text}"}),
        given={"suite": "shop", "text": THIRD.decode()},
        leaves=("requests/NEW.json", "versions/shop-draft/*"),
        audit=(("run.start", "NEW"), ("suite.save", "shop-draft")),
    ),
    # ── schedules
    "create schedule": Operation(
        command=NO_COMMAND, tool=ASSISTANTS,
        api=call("POST /schedules", **NEW_NIGHT),
        page=call("POST /schedules", name="second", **OF_NIGHT),
        given={"suite": "shop", "when": "rate(1 day)"},
        record={"suite": "shop", "when": "rate(1 day)", "paused": False, "source": "console"},
        leaves=("schedules/second",),
        audit=(("schedule.create", "second"),),
        refuses={
            "no suite": ({"suite": "none"}, "no-such-suite"),
            "no time": ({"when": "soon"}, {"": "bad-schedule", "api": "invalid-request"}),
        },
    ),
    "change schedule": Operation(
        command=NO_COMMAND, tool=ASSISTANTS,
        api=call("PUT /schedules/{name}", **NIGHTLY | {"when": "{when}"}),
        page=call("POST /schedules", editing="{name}", **OF_NIGHT),
        given={"name": "night", "suite": "shop", "when": "rate(2 days)"},
        record=NIGHTLY,
        leaves=("schedules/night",),
        audit=(("schedule.change", "night"),),
        refuses={
            "no schedule": ({"name": "none"}, "no-such-schedule"),
            "no time": ({"when": "soon"}, {"": "bad-schedule", "api": "invalid-request"}),
        },
    ),
    "pause schedule": Operation(
        command=NO_COMMAND, tool=ASSISTANTS,
        api="a change of the schedule to `paused`",
        page=call("POST /schedules/{name}/pause"),
        given={"name": "night"},
        record=NIGHTLY | {"when": "rate(1 day)", "paused": True},
        leaves=("schedules/night",),
        audit=(("schedule.pause", "night"),),
        refuses={"no schedule": ({"name": "none"}, "no-such-schedule")},
    ),
    "delete schedule": Operation(
        command=NO_COMMAND, tool=ASSISTANTS,
        api=call("DELETE /schedules/{name}"),
        page=call("POST /schedules/{name}/delete"),
        given={"name": "night"},
        leaves=("schedules/night",),
        audit=(("schedule.delete", "night"),),
        refuses={"no schedule": ({"name": "none"}, "no-such-schedule")},
    ),
}  # fmt: skip


# ── what can be said of a run's start


@dataclass(frozen=True, kw_only=True)
class Option:
    """One row: the value, and the words for it on the command line and in the form. Others have it by its own name.

    `empty`: faces without it on purpose, with the reason.
    """

    value: Any
    command: str = ""
    page: Mapping[str, str] = field(default_factory=dict)
    empty: Mapping[str, str] = field(default_factory=dict)


STARTS = ("remote_command", "api", "page", "tool", "remote_tool", "rerun", "schedule")
CURRENT = "it starts the current version"
ON_AWS = "it starts runs on AWS alone"
OPTIONS = {
    "version": Option(value=1, empty={"remote_command": CURRENT, "page": CURRENT, "schedule": CURRENT}),
    "on": Option(
        value="fargate",
        empty={"page": "it starts what the console can do", "schedule": ON_AWS, "remote_command": ON_AWS},
    ),
    "smoke": Option(value=True, command="--smoke", page={"smoke": "1"}),
    "tried": Option(value=True, command="try", page={"tried": "1"}, empty={"schedule": "people try it themselves"}),
    "workers": Option(value=2, command="--workers 2", page={"workers": "2"}),
    "locations": Option(
        value={"us-east-1": 2.0},
        command="--locations us-east-1=2",
        page={"locations.0.name": "us-east-1", "locations.0.weight": "2"},
    ),
    "tags": Option(value={"team": "shop"}, command="--tag team=shop", page={"tags": "team=shop"}),
    "overrides": Option(
        value=["execution.0.throughput=8"],
        command="-o execution.0.throughput=8",
        page={"overrides": "execution.0.throughput=8"},
    ),
    "environment": Option(value={"LOGIN": "user"}, command="--env LOGIN=user", page={"environment": "LOGIN=user"}),
    "against": Option(
        value="http://127.0.0.1:2",
        command="--against http://127.0.0.1:2",
        page={"against": "http://127.0.0.1:2"},
    ),
    "stage": Option(value="dev", command="--stage dev", page={"stage": "dev"}),
    "executions": Option(value=["buy"], command="--execution buy", page={"executions": "buy"}),
    "scenarios": Option(value=["buy"], command="--scenario buy", page={"scenarios": "buy"}),
    "max_cost_usd": Option(
        value=2.0, command="--max-cost 2", empty={"page": "it shows the price before the start"},
    ),
}  # fmt: skip


# ── what reads the same by each face

RUN_IDS = re.compile(rb"\d{8}T\d{6}Z-shop-[0-9a-z]{4}")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One row: what each face that has data returns, and how to compare it."""

    command: Call
    api: Call
    page: Call | None = None
    tool: Call | None = None
    data: Callable[[bytes], Any] = json.loads
    refuses: Mapping[str, tuple[Mapping[str, Any], str]] = field(default_factory=dict)

    def cells(self) -> dict[str, Call]:
        found = {"command": self.command, "remote_command": self.command, "api": self.api}
        return found | {name: one for name, one in (("page", self.page), ("tool", self.tool)) if one}


READINGS = {
    "report": Reading(
        command=call("report {run} --format json"),
        api=call("GET /runs/{run}/report?format=json"),
        page=call("GET /runs/{run}/report?format=json"),
        refuses={
            "no run": ({"run": NONE}, "no-such-run"),
            "a running run": ({"run": LIVE}, "run-not-over"),
        },
    ),
    "compare": Reading(
        command=call("compare {run} {other} --format github"),
        api=call("GET /compare?base={run}&head={other}&format=github"),
        tool=call("compare_runs", base="{run}", head="{other}"),
        data=bytes.split,
        refuses={"no run": ({"other": NONE}, "no-such-run"), "a running run": ({"other": LIVE}, "run-not-over")},
    ),
    "list of judged runs": Reading(
        command=call("runs --outcome passed --format json"),
        api=call("GET /runs?outcome=passed"),
        page=call("GET /runs.csv?outcome=passed"),
        tool=call("list_runs", outcome="passed"),
        data=lambda text: {*RUN_IDS.findall(text)},
    ),
    "baseline": Reading(
        command=call("suite pin shop"),
        api=call("GET /suites/shop/baseline"),
        tool=call("read_baseline", suite="shop"),
        data=lambda text: {*RUN_IDS.findall(text)},
    ),
}

# ── ways to change something that are no operation of the table

SAVES = "another form of `save`"
READS = "changes nothing"
SIGNS = "about the person: test_attacks_on_identity.py"
OTHER_ROUTES = {
    "POST /api/v1/people/end-sessions": SIGNS,
    "POST /api/v1/suites/check": READS,
    "POST /api/v1/uploads": "a part of `save`",
    "PUT /api/v1/uploads/{sha256}": "a part of `save`",
    "POST /mcp": "the tools",
    "POST /people/end-sessions": SIGNS,
    "POST /runs/{run_id}/share": "people alone share reports, with people",
    "POST /runs/{run_id}/share/allow": "see above",
    "POST /runs/{run_id}/share/revoke": "see above",
    "POST /runs/baseline": "asks as the page of the run does: console/test_baseline_page.py",
    "POST /runs/{run_id}/take-over": "starts an owner on AWS; `toril watch --take-over` becomes one",
    "POST /suites/new": SAVES,
    "POST /suites/{name}/baseline/undo": "sets or clears the baseline: console/test_baseline_page.py",
    "POST /suites/new/check": READS,
    "POST /suites/new/upload": SAVES,
    "POST /suites/{name}/files": SAVES,
}
OWNERS = "owns a run: end_to_end"
LOCAL = "about files and programs of this machine"
OTHER_COMMANDS = {
    **dict.fromkeys(("run", "try", "duet", "bisect", "worker", "agent", "watch"), OWNERS),
    **dict.fromkeys(("console", "mcp", "login", "logout"), "serves or uses the other faces"),
    **dict.fromkeys(("init", "import", "record", "plan", "doctor", "engines", "explain", "fetch", "service"), LOCAL),
    **dict.fromkeys(("github gates", "github comment", "gitlab comment"), LOCAL),
    **dict.fromkeys(("suite list", "suite schema", "trend"), READS),
}


REFERENCES = (
    "api",
    "page",
    SECOND_FORM,
    "command",
    "tool",
)  # the first of these faces is what the others are compared with


def cells(*, refusals: bool = False) -> list[Any]:
    found = []
    for name, operation in OPERATIONS.items():
        for face in (*FACES, SECOND_FORM):
            for case in operation.refuses if refusals else ("",):
                if isinstance(operation.cell(face), Call):
                    marks = [pytest.mark.live] if face.startswith("remote") else []
                    found.append(pytest.param(name, face, *([case] if refusals else []), marks=marks))
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = World(tmp_path_factory.mktemp("desk"))
    yield found
    found.close()


@pytest.fixture
def world(shared: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("TORIL_TOKEN", "a-token")
    monkeypatch.setenv("GITHUB_ACTOR", "Ada")
    shared.renew()
    return shared


def act(world: World, name: str, face: str, /, **other: Any) -> Done:
    operation = OPERATIONS[name]
    cell = operation.cell(face)
    assert isinstance(cell, Call)
    given = {"folder": str(world.work / "shop"), **operation.given, **other}
    if name.startswith("save") and face == "api":
        world.api(f"PUT /uploads/{DIGEST}", **{"@content": THIRD})
    do = getattr(world, "page" if face == SECOND_FORM else face)
    done: Done = do(cell.line.format(**given), **filled(dict(cell.fields), given))
    return done


EFFECTS: dict[tuple[World, str], dict[str, Any]] = {}  # of the face that the others are compared with


def effect(world: World, name: str, face: str) -> dict[str, Any]:
    """Returns what an operation changes in a new store."""
    world.renew()
    before = world.contents()
    done = act(world, name, face)
    assert not done.refused, done
    return changes(before, world.contents())


@pytest.mark.parametrize(("name", "face"), cells())
def test_an_operation_does_the_same_by_each_face(world: World, name: str, face: str) -> None:
    operation = OPERATIONS[name]
    reference = next(one for one in REFERENCES if isinstance(operation.cell(one), Call))
    if (world, name) not in EFFECTS:
        EFFECTS[world, name] = effect(world, name, reference)
    expected = EFFECTS[world, name]
    changed = effect(world, name, face)
    assert keys_match(changed, operation.leaves), list(changed)
    first = next((one for one in changed.values() if isinstance(one, dict)), {})
    assert first == {**first, **operation.record}
    assert changed == expected
    for record in changed.values():
        if isinstance(record, dict):
            assert record.get("by", "Ada") == "Ada" and record.get("message", True) is True, record
    lines = [(what, target, "Ada") for what, target in operation.audit]
    assert sorted(world.audited()) == ([] if face in ("command", *operation.silent) else lines)


@pytest.mark.parametrize(("name", "face", "case"), cells(refusals=True))
def test_an_operation_is_refused_alike_by_each_face(world: World, name: str, face: str, case: str) -> None:
    other, expected = OPERATIONS[name].refuses[case]
    code = expected if isinstance(expected, str) else expected.get(face, expected[""])
    before = world.contents()
    done = act(world, name, face, **other)
    assert done.code == code or (face.startswith("page") and done.code == ""), done
    statuses = {"command": 2, "remote_command": 2, "tool": 0, "remote_tool": 0}
    assert done.status == statuses.get(face, status_of(code))
    assert changes(before, world.contents()) == {}
    assert world.audited() == []


def status_of(code: str) -> int:
    missing = dict.fromkeys(("no-such-run", "no-such-suite", "no-such-schedule"), 404)
    return {**missing, "version-conflict": 409}.get(code, 422)


@pytest.mark.parametrize(("name", "face"), [one for one in cells() if one.values[1] != "command"])
def test_an_operation_needs_the_same_role_by_each_face(world: World, name: str, face: str) -> None:
    role = OPERATIONS[name].role
    if role != "viewer":
        before = world.contents()
        world.who.role = ROLES[ROLES.index(role) - 1]
        done = act(world, name, face)
        assert done.code == ("unknown-tool" if face == "tool" else "role-too-low"), done
        assert changes(before, world.contents()) == {}
        assert world.audited() == []


def test_each_way_to_change_something_is_in_the_table(world: World) -> None:
    lines = {face: set[str]() for face in (*FACES, SECOND_FORM)}
    for operation in OPERATIONS.values():
        for face, found in lines.items():
            cell = operation.cell(face)
            if isinstance(cell, Call):
                found.add(cell.line)
    methods = [one.replace(" ", " /api/v1") for one in lines["api"]] + [*lines["page"], *lines[SECOND_FORM]]
    patterns = {one: re.compile(re.sub(r"\{[^}]*\}", "[^/]+", one)) for one in world.routes() - OTHER_ROUTES.keys()}
    assert [one for one, pattern in patterns.items() if not any(map(pattern.fullmatch, methods))] == []
    assert OTHER_ROUTES.keys() <= world.routes()
    assert world.tools() == lines["tool"] - {"read_run"}
    reading = {one.command.line for one in READINGS.values()}
    assert {command_of(line) for line in lines["command"] | reading} | OTHER_COMMANDS.keys() == commands()


# ── readings


@pytest.mark.parametrize(
    ("name", "face"),
    [
        pytest.param(name, face, marks=[pytest.mark.live] if face.startswith("remote") else [])
        for name, reading in READINGS.items()
        for face in reading.cells()
    ],
)
def test_a_reading_is_the_same_by_each_face(world: World, name: str, face: str) -> None:
    reading, before = READINGS[name], world.contents()

    def read(face: str, **given: str) -> Done:
        cell, given = reading.cells()[face], {"run": OVER, "other": FAILED, **given}
        done: Done = getattr(world, face)(cell.line.format(**given), **filled(dict(cell.fields), given))
        return done

    found = reading.data(read(face).answer)
    assert found == reading.data(read("command").answer) and found
    for given, code in reading.refuses.values():
        done = read(face, **given)
        statuses = {"command": 2, "remote_command": 2, "tool": 0}
        assert (done.code, done.status) == (code, statuses.get(face, status_of(code)))
    assert (changes(before, world.contents()), world.audited()) == ({}, [])


# ── starts


def starts() -> list[Any]:
    found = []
    for name, option in OPTIONS.items():
        for face in (one for one in STARTS if one not in option.empty):
            marks = [pytest.mark.live] if face.startswith("remote") else []
            found.append(pytest.param(name, face, marks=marks))
    return found


def start(world: World, name: str, face: str) -> Any:
    """Starts a run with one option. Returns the request or schedule."""
    option = OPTIONS[name]
    said = {name: {key: f"{one:g}" for key, one in option.value.items()} if name == "locations" else option.value}
    match face:
        case "remote_command":
            verb, words = ("try", "") if option.command == "try" else ("run", option.command)
            world.starter.ends = True
            done = world.remote_command(f"{verb} https://console/suites/shop --on fargate --quiet {words}")
        case "api":
            done = world.api("POST /runs", suite="shop", **said)
        case "page":
            done = world.page("POST /suites/shop/start", **(option.page or {name: str(option.value)}))
        case "tool" | "remote_tool":
            done = getattr(world, face)("start_run", suite="shop", **said)
        case "schedule":
            done = world.api("POST /schedules", name="second", suite="shop", when="rate(1 day)", **said)
        case _:
            world.request(OTHER, **said)
            done = world.page(f"POST /runs/{OTHER}/rerun")
    assert not done.refused, done
    return world.schedules.kept["second"] if face == "schedule" else world.starter.requests[-1]


@pytest.mark.parametrize(("name", "face"), starts())
def test_an_option_of_a_start_arrives_by_each_face(world: World, name: str, face: str) -> None:
    record, value = start(world, name, face), OPTIONS[name].value
    arrived = getattr(record, name)
    if name == "locations":
        arrived = {key: float(one) for key, one in arrived.items()}
    if name == "tags":
        arrived = {key: one for key, one in arrived.items() if key in value}
    assert (list(arrived) if isinstance(value, list) else arrived) == value
    assert face == "schedule" or record.by == "Ada"


@pytest.mark.parametrize("face", ["api", "tool", pytest.param("remote_tool", marks=pytest.mark.live)])
def test_an_option_that_nothing_knows_starts_no_run(world: World, face: str) -> None:
    done = getattr(world, face)("POST /runs" if face == "api" else "start_run", suite="shop", user=7)
    assert done.code == ("invalid-request" if face == "api" else "invalid-arguments")
    assert world.starter.requests == []
