"""Options and arguments that commands share: each is declared once."""

from typing import Annotated

import typer

from toril.cli import options
from toril.plan import Place
from toril.plan.options import RunOptions
from toril.reports import FORMATS
from toril.suite.retarget import checked_address

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
On = Annotated[Place, typer.Option("--on", help="Where workers run: here (local), or on AWS (fargate).")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="K=V kept with the run, such as its commit; repeatable.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="One user, a few seconds, no criteria: does it work at all?")]
FailOn = Annotated[str, typer.Option("--fail-on", help="Outcomes that fail the command: failed, inconclusive, none.")]
Reports = Annotated[
    list[str] | None, typer.Option("--report", help="FORMAT[=PATH], repeatable: " + ", ".join(FORMATS) + ".")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Against = Annotated[
    str | None, typer.Option("--against", help="Load this address instead of the suite's own, scripts included.")
]
RunId = Annotated[str | None, typer.Option("--run-id", help="Name the run instead of having it named by time.")]


def run_options(
    overrides: list[str] | None, env: list[str] | None, workers: int | None, on: Place, run_id: str | None,
    tags: list[str] | None, smoke: bool, against: str | None = None, locations: str | None = None,
) -> RunOptions:  # fmt: skip
    return RunOptions(
        overrides=overrides or (),
        environment=options.pairs("--env", env or ()),
        workers=workers,
        on=on,
        run_id=None if run_id is None else options.checked_run_id(run_id),
        tags=options.pairs("--tag", tags or ()),
        smoke=smoke,
        against=None if against is None else checked_address("--against", against),
        locations={} if locations is None else options.locations(locations),
    )
