"""The faces of toril in this process, over one store: commands, pages, API and tools. Each acts for Ada."""

import json
import re
import shlex
import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import anyio
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.clocks import SteppedClock
from tests.console import served
from tests.console.editing import fields
from tests.launchers.stage import deployment
from tests.reports import examples
from toril import cli
from toril.clock import SystemClock
from toril.console.app import create_app
from toril.console.identity import Person
from toril.console.mcp import server_of
from toril.desk import desk_of
from toril.desk.runs import set_baseline
from toril.errors import OptionError, UserError
from toril.records import Plan, Start, run_key
from toril.records.console import AuditLine, RunNote, RunRequest
from toril.records.schedule import SuiteSchedule, read_command
from toril.runs import suites
from toril.runs.history import record_of, remember
from toril.store import FolderStore, Store, open_reader

# Runs of the store: over (the first is the baseline), failed, running, requested, without a verdict, none.
OVER, OTHER, FAILED = (f"2026112{day}T150405Z-shop-{day}a2b" for day in (1, 2, 3))
LIVE, WAITING, ENDED = served.LIVE, "20261127T110000Z-shop-wait", "20261125T100000Z-shop-dead"
NONE = "20260101T000000Z-none-0000"
FIRST, SECOND, THIRD = (
    b"execution: [{executor: vegeta, scenario: buy, throughput: %d, hold-for: 10s}]\n"
    b'scenarios: {buy: {default-address: "http://127.0.0.1:1", requests: [/]}}\n'
    b"toril: {stages: {dev: {}}}\n" % rate
    for rate in (5, 6, 7)
)
NIGHT = SuiteSchedule(
    name="night",
    suite="shop",
    when="rate(1 day)",
    smoke=True,
    workers=2,
    locations={"us-east-1": "1"},
    overrides=("execution.0.hold-for=5s",),
    environment={"LOGIN": "user"},
    tags={"team": "shop"},
    max_cost_usd=3.0,
)
REPEATED: dict[str, Any] = {"tags": {"team": "shop"}, "overrides": ("execution.0.throughput=8",), "smoke": True}
JSON = {"accept": "application/json, text/event-stream"}
SAID = {"message", "comment"}  # sentences, which differ from face to face
OF_THE_MOMENT = {"at", "asked_at", "began_at"}
MOMENT = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{6}")
REQUESTED_NOW = re.compile(r"20\d{6}T\d{6}Z-[a-z]+(?:-draft)?-[0-9a-f]{4}(?![0-9a-z])")
KNOWN = {OVER, OTHER, FAILED, LIVE, WAITING, ENDED, NONE}


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a face: a command line, a method and path, or a tool; and its fields. Both may name `{given}` values.

    A field that begins with `@` is a header, `@content` the body, and `@form` a page whose form is filled in.
    """

    line: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def call(line: str, **fields: Any) -> Call:
    return Call(line, fields)


@dataclass(frozen=True, slots=True)
class Done:
    """What a face answered. `code` is that of its refusal. A form that is shown again has words alone, and no code."""

    code: str | None
    status: int  # of HTTP, or an exit code
    answer: bytes = b""

    @property
    def refused(self) -> bool:
        return self.code is not None


class Schedules:
    """A scheduler that keeps schedules as EventBridge does: a name, times and a command; it refuses the same."""

    def __init__(self) -> None:
        self.kept: dict[str, SuiteSchedule] = {}

    def schedules(self) -> tuple[list[SuiteSchedule], list[str]]:
        return [self.kept[name] for name in sorted(self.kept)], []

    def create(self, schedule: SuiteSchedule) -> None:
        if schedule.name in self.kept:
            raise OptionError(schedule.name, code="schedule-exists")
        self._keep(schedule)

    def update(self, schedule: SuiteSchedule) -> None:
        self._check(schedule.name)
        self._keep(schedule)

    def delete(self, name: str) -> None:
        self._check(name)
        del self.kept[name]

    def _keep(self, schedule: SuiteSchedule) -> None:
        options = read_command(schedule.command("s3://bucket"))
        self.kept[schedule.name] = SuiteSchedule.model_validate({**schedule.model_dump(), **options})

    def _check(self, name: str) -> None:
        if name not in self.kept:
            raise OptionError(name, code="no-such-schedule")


class Ending(served.Started):
    """A starter whose runs are over at once, if `ends` is set."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.ends, self._store = False, store

    def start(self, request: RunRequest) -> None:
        super().start(request)
        if self.ends:
            served.stored(self._store, examples.passed(), run_id=request.run_id)


class World:
    """A store with suites, runs and schedules, and a console over it. `renew` makes it again for the next test."""

    def __init__(self, folder: Path) -> None:
        self.store, self.work, self._template = FolderStore(folder / "store"), folder / "work", folder / "template"
        self.clock, self.who, self.schedules = SteppedClock(time.time()), served.Known("admin"), Schedules()
        self.starter = Ending(self.store)
        self._open = ExitStack()
        self._app = create_app(self._setup(served.ADDRESS))
        self._address = ""

    def close(self) -> None:
        self._open.close()

    def renew(self) -> None:
        """Restores what every test begins with."""
        if not self._template.exists():
            self._fill(FolderStore(self._template))
        shutil.rmtree(self.store.folder, ignore_errors=True)
        shutil.copytree(self._template, self.store.folder)
        self.who.role, self.clock.at, self.schedules.kept = "admin", time.time(), {"night": NIGHT}
        self.starter.ends = False
        self.starter.requests.clear()

    def _fill(self, store: FolderStore) -> None:
        now = self.clock.now()
        for number, files in enumerate((FIRST, SECOND)):
            suites.save(store, "shop", {"suite.yml": files}, by="eve", comment="", at=now, expected=number)
        suites.save(store, "spare", {"suite.yml": FIRST}, by="eve", comment="", at=now, expected=0)
        for run_id, bundle in ((OVER, examples.passed()), (OTHER, examples.passed()), (FAILED, examples.failed())):
            served.stored(store, bundle, run_id=run_id)
            plan = bundle.plan.model_copy(update={"run_id": run_id})
            remember(store, record_of(replace(bundle, plan=plan)))
        store.put(f"notes/{OVER}/first.json", RunNote(run_id=OVER, at=now, by="eve", text="fine").to_json())
        set_baseline(store, "shop", OVER, by="eve", at=now)
        for run_id, options in ((WAITING, {}), (OTHER, REPEATED)):
            self._request(store, run_id, options)
        store.put("deployments/us-east-1.json", deployment("us-east-1").to_json())
        served.running(store, served.progress(at=now), plan=_long(LIVE), renewed_at=now + 7 * 86_400)
        store.put(run_key(LIVE, "start.json"), Start(at=now - 90, attempts={}).to_json())
        served.running(store, None, plan=_long(ENDED), renewed_at=now - 3600)
        folder = self.work / "shop"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "suite.yml").write_bytes(THIRD)

    def request(self, run_id: str, **options: Any) -> None:
        """Stores the request of a run, in place of the one that is there."""
        self._request(self.store, run_id, options)

    def _request(self, store: Store, run_id: str, options: Mapping[str, Any]) -> None:
        plain = {"suite": "shop", "version": 1, "on": "local", "at": self.clock.now(), "by": "eve"}
        request = RunRequest.model_validate({"run_id": run_id, **plain, **options}, strict=False)
        store.put(f"requests/{run_id}.json", request.to_json())

    # ── what a face leaves

    def contents(self) -> dict[str, Any]:
        """Returns the store's values and the schedules, without times and random names. The audit is not in it."""
        kept = {key: self.store.find(key) for key in self.store.keys("") if not key.startswith(("audit/", "uploads/"))}
        found = {_plain(key): _parsed(data or b"") for key, data in kept.items()}
        return found | {
            f"schedules/{one.name}": _tidy(one.model_dump(mode="json")) for one in self.schedules.schedules()[0]
        }

    def audited(self) -> list[tuple[str, str, str]]:
        """Returns what was changed, where, and by whom; uploads of files are a part of a save."""
        lines = [AuditLine.from_json(self.store.get(key), key) for key in self.store.keys("audit/")]
        return [(one.what, _plain(one.target), one.name) for one in lines if not one.what.startswith("upload.")]

    # ── the faces

    def command(self, line: str, store: str = "") -> Done:
        words = [*shlex.split(line), "--store", store or str(self.store.folder)]
        done = CliRunner().invoke(cli.app, words)
        if isinstance(done.exception, UserError):
            return Done(done.exception.code, done.exception.exit_code)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(None if done.exit_code == 0 else done.stderr, done.exit_code, done.stdout_bytes)

    def remote_command(self, line: str) -> Done:
        """The same by `--store https://…`."""
        self.who.by = "token"
        return self.command(line.replace("https://console", self.address), self.address)

    def api(self, line: str, **fields: Any) -> Done:
        method, path = line.split(" ", 1)
        headers = {name[1:]: fields.pop(name) for name in [*fields] if name.startswith("@") and name != "@content"}
        body: dict[str, Any] = {"content": fields["@content"]} if "@content" in fields else {"json": fields}
        answer = self._client("token").request(method, f"/api/v1{path}", headers=headers, **(body if fields else {}))
        return Done(answer.json()["code"] if answer.status_code >= 400 else None, answer.status_code, answer.content)

    def page(self, line: str, **fields_: Any) -> Done:
        browser, (method, path) = self._client("session"), line.split(" ", 1)
        form = fields_.pop("@form", "")
        data = {**(fields(browser.get(form).text) if form else {}), **fields_}
        answer = browser.request(method, path, data=data or None)
        code = re.search(r"<p><code title=\"toril explain [a-z-]+\">([a-z-]+)</code></p>", answer.text)
        refused = (code[1] if code else "") if answer.status_code >= 400 else None
        return Done(refused, answer.status_code, answer.content)

    def tool(self, line: str, **fields: Any) -> Done:
        asked = {"method": "tools/call", "params": {"name": line, "arguments": fields}}
        answer = self._client("token").post("/mcp", json={"jsonrpc": "2.0", "id": 1, **asked}, headers=JSON).json()
        if effect := (answer["result"].get("structuredContent") or {}).get("consent"):
            return self.tool(line, **fields, consent=effect)
        return _of_tool(answer["result"]["content"], wrong=bool(answer["result"].get("isError")))

    def remote_tool(self, line: str, **fields: Any) -> Done:
        """The same by `toril mcp --store https://…`."""
        self.who.by = "token"
        user = Person(subject="somebody", name="somebody", role="admin")
        reader = open_reader(self.address)
        server = server_of(reader, desk_of(reader, user.name), user, SystemClock())
        result: Any = anyio.run(server.call_tool, line, fields)
        if effect := (result.structured_content or {}).get("consent"):
            return self.remote_tool(line, **fields, consent=effect)
        return _of_tool([{"text": getattr(one, "text", "")} for one in result.content], wrong=bool(result.is_error))

    @property
    def address(self) -> str:
        """The console's address on loopback, which serves from the first use on."""
        if not self._address:
            self._address = self._open.enter_context(served.loopback(lambda url: create_app(self._setup(url))))
        return self._address

    def routes(self) -> set[str]:
        """Returns method and path of each route that changes something."""
        app: Any = self._app
        found = {(name, one.path) for one in iter_route_contexts(app.app.routes) for name in one.methods or ()}
        return {f"{method} {path}" for method, path in found if method not in ("GET", "HEAD", "OPTIONS")}

    def tools(self) -> set[str]:
        """Returns the tools that change something."""
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        tools = self._client("token").post("/mcp", json=body, headers=JSON).json()["result"]["tools"]
        return {one["name"] for one in tools if not one["annotations"]["readOnlyHint"]}

    def _client(self, by: Literal["session", "token"]) -> TestClient:
        self.who.by = by
        headers = {"x-csrf-token": served.TOKEN}
        return TestClient(self._app, base_url=served.ADDRESS, headers=headers, follow_redirects=False)

    def _setup(self, address: str) -> Any:
        return served.setup(
            self.store, identity=self.who, clock=self.clock, address=address, starter=self.starter,
            schedules=self.schedules,
        )  # fmt: skip


def commands() -> set[str]:
    return {name for name, place in cli.COMMANDS.items() if place}


def command_of(line: str) -> str:
    """Returns the name of a command line: one word, or two in a group."""
    return max((name for name in commands() if line.startswith(name)), key=len)


def filled(value: Any, given: Mapping[str, Any]) -> Any:
    """Returns a text, or the texts of a mapping or list, with the given values in place of their names in braces."""
    if isinstance(value, str):
        alone = re.fullmatch(r"\{(\w+)\}", value)
        return given[alone[1]] if alone else value.format(**given)
    if isinstance(value, dict):
        return {key: filled(one, given) for key, one in value.items()}
    return [filled(one, given) for one in value] if isinstance(value, (list, tuple)) else value


def _long(run_id: str) -> Plan:
    """Returns the plan of a run that goes on as long as the tests."""
    (execution,) = served.live_plan().executions
    return served.live_plan(run_id=run_id, executions=(execution.model_copy(update={"hold_for_s": 7 * 86_400}),))


# ── forms of what a face leaves


def _of_tool(content: list[Any], *, wrong: bool) -> Done:
    text = "".join(one["text"] for one in content)
    code = re.search(r"\(([a-z-]+)\)\Z", text)
    return Done((code[1] if code else "unknown-tool") if wrong else None, 0, text.encode())


def _plain(text: str) -> str:
    """Returns a text without what is new in each test: moments, and ids of runs that were requested in it."""
    without = MOMENT.sub("MOMENT", text)
    return REQUESTED_NOW.sub(lambda match: match[0] if match[0] in KNOWN else "NEW", without)


def _parsed(data: bytes) -> Any:
    try:
        return _tidy(json.loads(data))
    except ValueError:
        return data


def _tidy(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {_plain(key): _tidy(one, key) for key, one in value.items() if key not in OF_THE_MOMENT}
    if isinstance(value, list):
        return [_tidy(one) for one in value]
    if name in SAID:
        return "Ada" in str(value)
    return _plain(value) if isinstance(value, str) else value


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values that are new or different, by key; None for those that are gone."""
    return {key: after.get(key) for key in sorted({*before, *after}) if before.get(key) != after.get(key)}


def keys_match(changed: Mapping[str, Any], patterns: tuple[str, ...]) -> bool:
    """Whether the patterns name these keys and no others."""
    known = all(any(fnmatchcase(key, one) for one in patterns) for key in changed)
    return known and all(any(fnmatchcase(key, one) for key in changed) for one in patterns)
