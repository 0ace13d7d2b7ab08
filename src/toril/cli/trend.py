"""The command on the nights of a suite: its trend, the issues about it, and duets that confirm a change."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from toril.cli.options import OUTPUT_FORMAT, On, Out, Stage, StoreOption, read_age, read_margin, wrong_value
from toril.cli.streams import echo
from toril.clock import SystemClock
from toril.errors import OptionError
from toril.records.history import FAILED_CHECKS
from toril.records.trend import Trend, TrendGroup

MOST_LABELS, MOST_MARGIN = 3, 0.1  # of a duet that confirms: each further figure needs more pairs


def trend(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name of the suite; default: all suites of the store.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="Only this label.")] = None,
    location: Annotated[str | None, typer.Option("--location", help="Only this location.")] = None,
    stage: Stage = None,
    metric: Annotated[
        Literal["p50", "p95", "p99", "failures", "throughput"] | None,
        typer.Option("--metric", help="Only this metric. Default: all; changes of p95, failures and checks count."),
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help="Age of the oldest run, e.g. 90d. Default: all.")] = None,
    least: Annotated[str | None, typer.Option("--min", help="Smallest change that counts. Default: 3%.")] = None,
    format: Annotated[Literal["text", "json", "html"], OUTPUT_FORMAT] = "text",
    out: Out = None,
    issues: Annotated[
        str | None, typer.Option("--issues", help="OWNER/NAME: open, update and close issues about regressions there.")
    ] = None,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", help="Program that starts the versions before and after a suspected change."),
    ] = None,
    bisect: Annotated[
        str | None,
        typer.Option("--bisect", help="The same program: find the commit of each new confirmed regression."),
    ] = None,
    suites: Annotated[Path, typer.Option("--suites", help="Folder of the suites, for --confirm and --bisect.")] = Path(
        "loadtests"
    ),
    on: On = "local",
    console: Annotated[str, typer.Option("--console", help="Address of the console, for links.")] = "",
    store: StoreOption = ".toril",
) -> None:
    """Show how a suite changes from run to run; fail on a new confirmed regression.

    A trend has runs of one stage: by default, that of the newest run.
    Without NAME, --out names a folder of HTML pages.

    --confirm runs `HOOK start BASE_COMMIT HEAD_COMMIT`, which prints
    `base=URL` and `head=URL`, then a duet of both, then `HOOK stop`. --bisect
    runs `toril bisect` between both. They are commits of the default branch of
    the clone in the current folder. --on is for these duets.
    --issues needs a token with `issues: write` in GITHUB_TOKEN.

    0 no new regression · 1 a new confirmed regression · 2 invalid input
    3 too few runs, or no recent one to judge · 4 cannot read or write.

    Examples:
      toril trend shop --since 90d
      toril trend --format html --out trends --console https://load.example.com
    """
    from toril.cli.github import REPOSITORY, client_of_job
    from toril.github.issues import settle
    from toril.records.history import HISTORY
    from toril.regression.acknowledged import FILE, read_acknowledged
    from toril.regression.trend import NOTHING_RECENT, TrendQuery
    from toril.reports.markdown import Links, is_address
    from toril.runs.earlier import read_trend
    from toril.runs.stored import check_suite
    from toril.store import open_reader, open_store

    if name is None and format == "html" and out is None:
        raise OptionError("--format html writes a page per suite. Add `--out FOLDER`.", code="option-value")
    if issues is not None and not REPOSITORY.fullmatch(issues):
        raise wrong_value("--issues", issues, "expected OWNER/NAME.")
    if console and not is_address(console):
        raise wrong_value("--console", console, "expected a percent-encoded http or https address.")
    age_s = None if since is None else read_age(since, "--since").total_seconds()
    wanted = TrendQuery(
        label=label, location=location, metric=metric, stage=stage, since_s=age_s, least=read_margin(least, "--min")
    )
    accepted, opened = read_acknowledged(FILE), (open_store if confirm or bisect else open_reader)(store)
    names = sorted(opened.names(HISTORY)) if name is None else [name]
    if name is not None:
        check_suite(opened, name, SystemClock().now(), store)

    def read() -> list[Trend]:
        return [read_trend(opened, suite, wanted, accepted, SystemClock().now()) for suite in names]

    if not names:
        echo("This store has no judged runs.", err=True)
    trends = read()
    for hook, follow, is_open in ((confirm, _duet, _is_suspected), (bisect, _bisect, _is_unexplained)):
        if hook is not None:
            for judged in trends:
                options = ["--store", store, *(["--stage", judged.stage] if judged.stage else []), "--on", on]
                for group in filter(is_open, judged.groups):
                    _follow(partial(follow, hook), suites / judged.suite, group, options)
            trends = read()
    console = console.rstrip("/")
    _show(trends, format, out, console, every=name is None)
    for posted in settle(client_of_job(), issues, trends, Links(report=console or None)) if issues else ():
        kind = "comment" if "/pull/" in posted.url else "issue"
        echo(f"{kind} {posted.done} {posted.url}".rstrip(), err=True)
    outcomes = {judged.outcome for judged in trends}
    stale = any(note.code == NOTHING_RECENT for judged in trends for note in judged.notes)  # no other suite excuses it
    raise typer.Exit(1 if "regressed" in outcomes else 0 if "clean" in outcomes and not stale else 3)


def _show(trends: Sequence[Trend], format: str, out: Path | None, base_url: str, *, every: bool) -> None:
    from toril.records.document import document
    from toril.reports import html, terminal
    from toril.reports.screen import Output, emit
    from toril.reports.trend_blocks import beside_runs, trend_report

    address = (lambda run_id: f"{base_url}/runs/{run_id}") if base_url else beside_runs
    reports = [trend_report(judged, address) for judged in trends]
    if format == "json":
        emit(document(trends if every else trends[0]), out)
    elif format == "html":
        for judged, report in zip(trends, reports, strict=True):
            emit(html.render(report), out / f"{judged.suite}.html" if every and out else out)
    elif out is not None:
        emit(b"\n".join(map(terminal.render, reports)), out)
    else:
        for report in reports:
            terminal.show(Output(), report)


# ── Changes between two commits ───────────────────────────────────────────────────────────────────────────────────────


def _is_suspected(group: TrendGroup) -> bool:
    """Returns whether a duet of both commits can confirm or clear a change."""
    return group.state == "suspected" and group.worse and not group.duet and _is_comparable(group)


def _is_unexplained(group: TrendGroup) -> bool:
    """Returns whether a search between both commits can explain a change."""
    regressed = group.state == "confirmed" and group.worse and not group.small
    return regressed and not group.search and group.from_commit != group.to_commit and _is_comparable(group)


def _is_comparable(group: TrendGroup) -> bool:
    """Returns whether duets can compare both commits; `+` marks uncommitted changes."""
    can_be_served = all(commit and not commit.endswith("+") for commit in (group.from_commit, group.to_commit))
    return can_be_served and any(series.metric != FAILED_CHECKS for series in group.series)  # duets compare no checks


def _follow(
    follow: Callable[[Path, TrendGroup, list[str], list[str]], int], suite: Path, group: TrendGroup, options: list[str]
) -> None:
    """Compares the figures that moved between both commits of a change; the trend reads the result from the store."""
    from toril.suite.git import commit_of_default_branch
    from toril.text import plain

    try:  # a tag is anybody's text, and the program may have rights that its writer lacks
        commits = [commit_of_default_branch(Path(), commit) for commit in (group.from_commit, group.to_commit)]
    except OptionError as error:
        echo(f"No duet of {suite.name}, {group.id}: {plain(str(error), 500)}", err=True)
        return
    moved = [series for series in group.series if series.metric != FAILED_CHECKS]
    labels = [*dict.fromkeys(series.label for series in moved if series.label)][:MOST_LABELS]
    metrics = [*dict.fromkeys(series.metric for series in moved)]
    for key, names in (("labels", labels), ("metrics", metrics)):
        options = [*options, "-o", f"toril.regression.{key}={json.dumps(names, ensure_ascii=False)}"]
    if code := follow(suite, group, commits, options):
        raise typer.Exit(code)


def _duet(hook: str, suite: Path, group: TrendGroup, commits: list[str], options: list[str]) -> int:
    """Runs a duet of both commits with half of the change as margin, and returns its exit code."""
    from toril.cli import call
    from toril.desk.bisect import served

    options = [*options, "--tag", f"confirms={group.id}", "--fail-on", "none", "--quiet"]
    sizes = [
        abs(series.change)
        for series in group.series
        if series.metric not in ("failures", FAILED_CHECKS) and series.change
    ]
    if sizes:
        options += ["--margin", f"{100 * min(MOST_MARGIN, sizes[0] / 2):.4f}%"]
    with served(hook, commits, {}, partial(echo, err=True)) as (base, head):
        return call("duet", [str(suite), "--base", base, "--head", head, *options])


def _bisect(hook: str, suite: Path, group: TrendGroup, commits: list[str], options: list[str]) -> int:
    """Searches the commit between both, and returns the exit code unless that is only a search without a result."""
    from toril.cli import call
    from toril.cli.bisect import UNPROVEN

    arguments = [str(suite), "--good", commits[0], "--bad", commits[1], "--start", hook, "--quiet", *options]
    code = call("bisect", arguments)
    return 0 if code == UNPROVEN else code
