"""Declares, parses and checks the options that commands share."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from toril.cli.streams import echo
from toril.errors import OptionError
from toril.secrets.masking import mask

if TYPE_CHECKING:
    from toril.desk import Desk
    from toril.plan.options import RunOptions
    from toril.records import LauncherName, Notice
    from toril.store import Reader

OUTPUT_FORMAT = typer.Option("--format", help="Output format.")
TextOrJson = Annotated[Literal["text", "json"], OUTPUT_FORMAT]
Out = Annotated[Path | None, typer.Option("--out", help="File to write instead of stdout.")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask no question; the answer is yes.")]
IgnoreMissing = Annotated[bool, typer.Option("--ignore-missing", help="Succeed if there is no such run.")]

INTERRUPTED = 130  # exit code after Ctrl-C
OUTCOMES = ("failed", "inconclusive")
SHARE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,6})?")
WEB_ADDRESS = re.compile(r"https?://[^/\s@]+(?:/\S*)?")
WEIGHT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
AGE = re.compile(r"([0-9]+)([dhm])")
AGE_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


@contextmanager
def nothing_written() -> Iterator[None]:
    """Ends the command with a note after Ctrl-C, and at the end of the input."""
    try:
        yield
    except (typer.Abort, KeyboardInterrupt):
        echo("\nNo files written.", err=True)
        raise typer.Exit(INTERRUPTED) from None


def wrong_value(option: str, value: str | None, text: str) -> OptionError:
    """Returns the error for the value of an option; the text says what was expected."""
    return OptionError(f"{option} `{value}`: {text}", code="option-value")


def read_pairs(option: str, values: Iterable[str]) -> dict[str, str]:
    """Returns `["a=1", "b=2"]` as a mapping."""
    pairs = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals or not name:
            raise wrong_value(option, value, "expected NAME=VALUE.")
        pairs[name] = rest
    return pairs


def read_locations(text: str) -> dict[str, str]:
    """Returns the weight of each location in `us-east-1=2,eu-west-1`; the default is 1."""
    weights = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, weight = part.partition("=")
        if name in weights or not WEIGHT.fullmatch(weight or "1"):
            raise wrong_value("--locations", text, "expected unique names with weights, e.g. `us-east-1=2,eu-west-1`.")
        weights[name] = weight or "1"
    if not weights:
        raise OptionError(
            "--locations is empty. Write e.g. `us-east-1=2,eu-west-1`, or remove it.", code="option-value"
        )
    return weights


def read_fail_on(text: str) -> frozenset[str]:
    """Returns the outcomes that make the exit code non-zero; `none` gives an empty set."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in (*OUTCOMES, "none")]
    if unknown or not names or ("none" in names and len(names) > 1):
        raise wrong_value("--fail-on", text, "expected `failed`, `inconclusive`, `failed,inconclusive` or `none`.")
    return frozenset(names) - {"none"}


def read_report_targets(values: Iterable[str]) -> list[tuple[str, Path | None]]:
    """Returns `["junit=out.xml", "json"]` as (format, path) pairs; None stands for the run's folder."""
    targets = []
    for value in values:
        name, equals, path = value.partition("=")
        if equals and not path:
            raise wrong_value("--report", value, f"the path is missing. Add it, or write `--report {name}`.")
        targets.append((name, Path(path) if path else None))
    return targets


def check_writable(targets: Iterable[tuple[str, Path | None]]) -> None:
    """Creates the folders of the reports and keeps existing files; OptionError for an unwritable report."""
    for name, path in targets:
        if path is None:
            continue
        try:
            if path.is_dir():
                raise OptionError(
                    f"--report `{name}={path}`: the path is a folder. Name a file in it.", code="report-is-a-folder"
                )
            if path.exists() and not path.is_file():
                continue  # open pipes and devices only once: when the report is written
            path.parent.mkdir(parents=True, exist_ok=True)
            file, new = path.resolve(), not path.exists()
            file.open("ab").close()
            if new:
                file.unlink()
        except OSError as error:
            raise OptionError(
                f"--report `{name}={path}`: cannot write the file: {error.strerror}. Choose another path.",
                code="unwritable-report",
            ) from error


def read_run_id(text: str) -> str:
    """Returns a run id that is safe as one part of a key."""
    from toril.records.agent import PSEUDO_RUNS
    from toril.runs.find import RUN_ID

    if not RUN_ID.fullmatch(text) or text in PSEUDO_RUNS:
        fix = "use at most 128 letters, digits, `.`, `_` and `-`, but not `agents` or `packages`."
        raise wrong_value("--run-id", text, fix)
    return text


def read_age(text: str, option: str = "--prune") -> timedelta:
    """Returns the age that `30d`, `12h` or `90m` stands for."""
    match = AGE.fullmatch(text.strip())
    if not match:
        raise wrong_value(option, text, "expected an age such as `30d`, `12h` or `90m`.")
    try:
        return timedelta(**{AGE_UNITS[match[2]]: int(match[1])})
    except (OverflowError, ValueError) as error:  # ValueError: thousands of digits
        raise wrong_value(option, text, "the age is too long. Choose a shorter one.") from error


def read_margin(text: str | None, option: str = "--margin") -> float | None:
    """Returns `3%` as 0.03."""
    if text is None:
        return None
    number = text.strip().removesuffix("%").strip()
    if not text.strip().endswith("%") or not SHARE.fullmatch(number) or not 0 < float(number) <= 100:
        raise wrong_value(option, text, "expected a percentage above 0% and up to 100%, e.g. `3%`.")
    return float(number) / 100


def read_otlp(text: str | None) -> str | None:
    """Returns the address of a collector, without `/v1/metrics`."""
    if text is not None and not WEB_ADDRESS.fullmatch(text):
        raise wrong_value("--otlp", mask(text), "expected an address such as `http://localhost:4318`.")
    return text


def read_notices(values: Iterable[str]) -> "list[Notice]":
    """Returns a notice for each `NAME=failed,passed` or `https://…`: a variable or an address, and its events."""
    from toril.records import Notice
    from toril.records.event import NOTIFY_SECRET, NoticeEvent
    from toril.store.connections import is_safe_address
    from toril.suite.settings import VARIABLE, NotifyBlock

    secret = NOTIFY_SECRET if os.environ.get(NOTIFY_SECRET) else ""
    event = "|".join(get_args(NoticeEvent))
    notices = []
    for value in values:
        match = re.fullmatch(rf"(.+?)(?:=((?:{event})(?:,(?:{event}))*))?", value)
        webhook, on = match.groups() if match else ("", None)
        if not VARIABLE.fullmatch(webhook) and not is_safe_address(webhook):
            raise OptionError(
                "--notify: expected an https address or the name of a variable with one, and optionally events, e.g. "
                f"`CHAT=failed,regression`. Events: {event.replace('|', ', ')}.",
                code="option-value",
            )
        place = {"variable": webhook} if VARIABLE.fullmatch(webhook) else {"webhook": webhook}
        events = tuple(on.split(",")) if on else NotifyBlock.model_fields["on"].default
        notices.append(Notice(**place, secret=secret, on=events))
    return notices


_SUITES = typer.Argument(help="Folder with suite.yml, Taurus files to merge in order, or s3://bucket/suites/<name>.")
Suites = Annotated[list[str], _SUITES]
OptionalSuites = Annotated[list[str] | None, _SUITES]


def _run_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the runs of a local store for a shell's completion, newest first."""
    runs = Path(ctx.params.get("store") or ".toril") / "runs"
    return sorted((run.name for run in runs.glob("*") if run.name.startswith(incomplete)), reverse=True)[:50]


Run = Annotated[
    str,
    typer.Argument(autocompletion=_run_ids, help="Run id or its beginning, `latest`, or the folder or URL of a run."),
]
StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="TORIL_STORE",
        help="Where runs are stored: a folder, s3://bucket/prefix, or the https:// address of a console.",
    ),
]
Locations = Annotated[
    str | None,
    typer.Option(
        "--locations", help="Locations with weights, e.g. us-east-1=2,office; they replace those of the suite."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("-o", "--override", help="Taurus override, e.g. -o execution.0.hold-for=10s; repeatable."),
]
Environment = Annotated[
    list[str] | None, typer.Option("--env", help="Variable K=V for ${K} in the suite and for its scripts; repeatable.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Number of workers in all locations together.")]
On = Annotated[
    Literal["local", "fargate"],
    typer.Option("--on", help="Where to run the workers: here (local), or on AWS and private locations (fargate)."),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Tag K=V of the run, such as commit=4f2a; repeatable.")]
Smoke = Annotated[
    bool,
    typer.Option(
        "--smoke", help="Check load and workers: one user, a few seconds, no criteria. `toril try` checks requests."
    ),
]
FailOn = Annotated[
    str,
    typer.Option("--fail-on", help="Outcomes that fail the command: failed, inconclusive, both with a comma, or none."),
]
Reports = Annotated[
    list[str] | None,
    typer.Option("--report", help="Write a report: FORMAT[=PATH], with a format of `toril report`; repeatable."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress on stderr.")]
Against = Annotated[
    str | None, typer.Option("--against", help="Address to load in place of the suite's own, in scripts too.")
]
EXECUTION = "Only this execution, by its name in the plan."
Stage = Annotated[str | None, typer.Option("--stage", help="Stage of the suite, e.g. staging.")]
Executions = Annotated[list[str] | None, typer.Option("--execution", help=EXECUTION)]
Scenarios = Annotated[
    list[str] | None, typer.Option("--scenario", help="Run only the executions of this scenario; repeatable.")
]
Otlp = Annotated[
    str | None,
    typer.Option("--otlp", help="OpenTelemetry collector for the metrics of the run, e.g. http://localhost:4318."),
]
Notify = Annotated[
    list[str] | None,
    typer.Option(
        "--notify", help="Webhook for the run's result: address, or variable that has it, [=EVENT,…]; repeatable."
    ),
]
MaxCost = Annotated[
    float | None, typer.Option("--max-cost", min=0, help="Refuse a run on Fargate that costs more, in US dollars.")
]
RunId = Annotated[str | None, typer.Option("--run-id", help="Id of the run; default: made from the time.")]


def run_options(
    overrides: list[str] | None, env: list[str] | None, workers: int | None, on: "LauncherName", run_id: str | None,
    tags: list[str] | None, smoke: bool, against: str | None = None, locations: str | None = None,
    stage: str | None = None, executions: list[str] | None = None, scenarios: list[str] | None = None, *,
    tried: bool = False, max_cost: float | None = None, scheduled: str | None = None,
) -> "RunOptions":  # fmt: skip
    """Returns the options of a command. `scheduled`: those of a schedule as JSON, in place of the others."""
    from pydantic import ValidationError

    from toril.plan.options import RunOptions
    from toril.records.console import StartOptions
    from toril.records.document import why
    from toril.suite.retarget import checked_address

    try:
        if scheduled is not None:
            return RunOptions(on=on, **StartOptions.model_validate_json(scheduled).as_options())
        return RunOptions(
            overrides=tuple(overrides or ()),
            environment=read_pairs("--env", env or ()),
            workers=workers,
            on=on,
            run_id=None if run_id is None else read_run_id(run_id),
            tags=read_pairs("--tag", tags or ()),
            smoke=smoke,
            tried=tried,
            against=None if against is None else checked_address("--against", against),
            locations={} if locations is None else read_locations(locations),
            stage=stage,
            executions=tuple(executions or ()),
            scenarios=tuple(scenarios or ()),
            max_cost_usd=max_cost,
        )
    except ValidationError as error:
        raise OptionError(f"invalid option: {why(error)}", code="option-value") from error


def desk_for(store: "Reader", command: str = "") -> "Desk":
    """Returns the operations on a store for the person who uses this command."""
    from toril.desk import desk_of
    from toril.runs.publish import pusher

    return desk_of(store, pusher(os.environ), command and f" with `{command}`")
