"""The options that commands share: each is declared, read and checked here once."""

import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from toril.errors import OptionError

if TYPE_CHECKING:
    from toril.plan.options import RunOptions
    from toril.records import LauncherName

TextOrJson = Annotated[Literal["text", "json"], typer.Option("--format", help="text or json.")]

INTERRUPTED = 130  # exit code after Ctrl-C
OUTCOMES = ("failed", "inconclusive")
SHARE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,6})?")
WEIGHT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
AGE = re.compile(r"([0-9]+)([dhm])")
AGE_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def read_pairs(option: str, values: Iterable[str]) -> dict[str, str]:
    """`["a=1", "b=2"]` as a mapping."""
    found = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals or not name:
            raise OptionError(f"{option} {value}: expected name=value", code="option-value")
        found[name] = rest
    return found


def read_locations(text: str) -> dict[str, str]:
    """`us-east-1=2,eu-west-1`: the weight of each location, 1 where none is given."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, weight = part.partition("=")
        if name in found or not WEIGHT.fullmatch(weight or "1"):
            raise OptionError(
                f"--locations {text}: expected names with weights, each once, as in us-east-1=2,eu-west-1",
                code="option-value",
            )
        found[name] = weight or "1"
    if not found:
        raise OptionError(
            "--locations names none; write it like us-east-1=2,eu-west-1, or leave it out", code="option-value"
        )
    return found


def read_fail_on(text: str) -> frozenset[str]:
    """The outcomes that make the exit code non-zero: `failed,inconclusive`, a part of it, or `none`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in (*OUTCOMES, "none")]
    if unknown or not names or ("none" in names and len(names) > 1):
        raise OptionError(
            f"--fail-on {text}: expected failed, inconclusive, both with a comma, or none", code="option-value"
        )
    return frozenset(names) - {"none"}


def read_report_targets(values: Iterable[str]) -> list[tuple[str, Path | None]]:
    """`["junit=out.xml", "json"]` as (format, path); without a path the report goes into the run's folder."""
    found = []
    for value in values:
        name, equals, path = value.partition("=")
        if equals and not path:
            raise OptionError(
                f"--report {value}: without a path; write one, or only --report {name}", code="option-value"
            )
        found.append((name, Path(path) if path else None))
    return found


def check_writable(targets: Iterable[tuple[str, Path | None]]) -> None:
    """OptionError unless each of those reports can be written; its folder is made, and a file that is there kept."""
    for name, path in targets:
        if path is None:
            continue
        try:
            if path.is_dir():
                raise OptionError(
                    f"--report {name}={path}: this is a folder; name a file in it", code="report-is-a-folder"
                )
            if path.exists() and not path.is_file():
                continue  # a pipe or device is opened once, when it is time
            path.parent.mkdir(parents=True, exist_ok=True)
            file, new = path.resolve(), not path.exists()
            file.open("ab").close()
            if new:
                file.unlink()
        except OSError as error:
            why = f"{path} cannot be written: {error.strerror}"
            raise OptionError(
                f"--report {name}={path}: {why}; choose another path", code="unwritable-report"
            ) from error


def read_run_id(text: str) -> str:
    """A run id that is safe as one part of a key."""
    from toril.runs.find import RUN_ID

    if not RUN_ID.fullmatch(text):
        raise OptionError(f"--run-id {text!r}: use letters, digits and . _ - (at most 128)", code="option-value")
    return text


def read_age(text: str) -> timedelta:
    """`30d`, `12h` or `90m`."""
    match = AGE.fullmatch(text.strip())
    if not match:
        raise OptionError(f"--prune {text}: expected an age such as 30d, 12h or 90m", code="option-value")
    try:
        return timedelta(**{AGE_UNITS[match[2]]: int(match[1])})
    except (OverflowError, ValueError) as error:  # ValueError: thousands of digits
        raise OptionError(
            f"--prune {text}: longer than there is time; choose a shorter age", code="option-value"
        ) from error


def read_margin(text: str | None) -> float | None:
    """`3%` as 0.03."""
    if text is None:
        return None
    number = text.strip().removesuffix("%").strip()
    if not text.strip().endswith("%") or not SHARE.fullmatch(number) or not 0 < float(number) <= 100:
        raise OptionError(
            f"--margin {text}: expected a percentage above 0% and up to 100%, such as 3%", code="option-value"
        )
    return float(number) / 100


Suites = Annotated[
    list[str],
    typer.Argument(help="Taurus files, merged in order, or one folder with suite.yml, or s3://bucket/suites/<name>."),
]
Run = Annotated[str, typer.Argument(help="A run id (its beginning is enough), `latest`, or a run's folder or URL.")]
StoreOption = Annotated[
    str, typer.Option("--store", envvar="TORIL_STORE", help="What keeps the runs: a folder, or s3://bucket/prefix.")
]
Locations = Annotated[
    str | None,
    typer.Option(
        "--locations", help="Where all load comes from, with weights: us-east-1=2,eu-west-1; not the suite's."
    ),
]
Overrides = Annotated[
    list[str] | None, typer.Option("-o", "--override", help="Taurus override, e.g. -o execution.0.hold-for=10s.")
]
Environment = Annotated[
    list[str] | None, typer.Option("--env", help="K=V for ${K} in the suite, and for its scripts; repeatable.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Workers in total, over all locations.")]
On = Annotated[
    Literal["local", "fargate"], typer.Option("--on", help="Where workers run: here (local), or on AWS (fargate).")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="K=V kept with the run, such as its commit; repeatable.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="One user, a few seconds, no criteria: does it work at all?")]
FailOn = Annotated[str, typer.Option("--fail-on", help="Outcomes that fail the command: failed, inconclusive, none.")]
Reports = Annotated[
    list[str] | None, typer.Option("--report", help="FORMAT[=PATH], repeatable; the formats of `toril report`.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Against = Annotated[
    str | None, typer.Option("--against", help="Load this address instead of the suite's own, scripts included.")
]
RunId = Annotated[str | None, typer.Option("--run-id", help="Name the run instead of having it named by time.")]


def run_options(
    overrides: list[str] | None, env: list[str] | None, workers: int | None, on: "LauncherName", run_id: str | None,
    tags: list[str] | None, smoke: bool, against: str | None = None, locations: str | None = None,
) -> "RunOptions":  # fmt: skip
    from toril.plan.options import RunOptions
    from toril.suite.retarget import checked_address

    return RunOptions(
        overrides=overrides or (),
        environment=read_pairs("--env", env or ()),
        workers=workers,
        on=on,
        run_id=None if run_id is None else read_run_id(run_id),
        tags=read_pairs("--tag", tags or ()),
        smoke=smoke,
        against=None if against is None else checked_address("--against", against),
        locations={} if locations is None else read_locations(locations),
    )
