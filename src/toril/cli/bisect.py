"""`toril bisect`: finds the commit that made a suite worse, by duets of the good commit with later ones."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toril.cli.options import (
    Environment,
    MaxCost,
    On,
    Overrides,
    Quiet,
    Stage,
    StoreOption,
    TextOrJson,
    Workers,
    read_margin,
    run_options,
)
from toril.cli.running import leave_tokens
from toril.cli.streams import echo
from toril.clock import SystemClock
from toril.errors import OptionError

if TYPE_CHECKING:
    from toril.plan.options import RunOptions
    from toril.records.bisect import Bisect, BisectDuet

UNPROVEN = 3  # exit code without a commit


def bisect(
    suite: Annotated[str, typer.Argument(help="Folder or file of the suite, as it is now: no commit changes it.")],
    good: Annotated[str, typer.Option("--good", metavar="REV", help="Commit that is fast enough.")],
    bad: Annotated[str, typer.Option("--bad", metavar="REV", help="Later commit that is worse.")],
    start: Annotated[
        str | None, typer.Option("--start", metavar="HOOK", help="Program that starts two commits; see the guide.")
    ] = None,
    error: Annotated[
        str, typer.Option("--error", help="Largest probability of naming a wrong commit, e.g. 1%.")
    ] = "5%",
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Print the expected duets, time and price; start nothing.")
    ] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Forget an earlier search of these commits.")] = False,
    clone: Annotated[Path, typer.Option("--clone", help="Clone of the service's repository.")] = Path(),
    format: TextOrJson = "text",
    store: StoreOption = ".toril",
    overrides: Overrides = None,
    env: Environment = None,
    stage: Stage = None,
    workers: Workers = None,
    on: On = "local",
    max_cost: MaxCost = None,
    quiet: Quiet = False,
) -> None:
    """Find the commit that made SUITE worse, by duets of the good commit with later ones.

    `HOOK start GOOD COMMIT` prints `base=URL` and `head=URL`; `HOOK stop` ends
    both. Commits that do not start are skipped. The store keeps each result: the
    same command continues an interrupted search, or prints the result again.

    0 a commit is found · 2 invalid input · 3 no single commit is proven
    4 cannot start or write.

    Examples:
      toril bisect loadtests/shop --good v1.4 --bad main --start tools/versions.sh --estimate
      toril bisect loadtests/shop --good v1.4 --bad main --start tools/versions.sh
    """
    from toril.desk.bisect import Searching, begun
    from toril.records.bisect import Bisect
    from toril.regression.bisect import in_words
    from toril.reports.screen import emit
    from toril.store import open_store
    from toril.suite.git import commits_between
    from toril.text import plain

    wanted = run_options(overrides, env, workers, on, None, None, smoke=False, stage=stage, max_cost=max_cost)
    if not estimate:
        leave_tokens(wanted)
    first, *later = commits_between(clone, good, bad)
    opened, name, lines = open_store(store), *_planned(suite, wanted, store, len(later))
    options = [f"--{option}={value}" for option, value in (("on", on), ("stage", stage), ("workers", workers)) if value]
    options += [f"-o{override}" for override in overrides or ()] + [f"--env={pair}" for pair in env or ()]
    new = Bisect(
        suite=name, stage=stage or "", good=first, commits=tuple(later), options=tuple(options),
        error=read_margin(error, "--error") or 0.0, at=SystemClock().now(),
    )  # fmt: skip
    search = begun(opened, new, restart=restart)
    if estimate or not quiet:
        echo("\n".join(map(plain, lines)), err=not estimate)
    if estimate:
        return
    if search.outcome is None:
        if start is None:
            raise OptionError("--start: the program is missing. Add --start HOOK.", code="missing-option")
        limit = [] if max_cost is None else [f"--max-cost={max_cost}"]
        duet = partial(_duet, suite, store, [*options, *limit, *["--quiet"] * quiet])
        search = Searching(opened, SystemClock(), clone, start, duet, partial(echo, err=True)).run(search)
    if format == "json":
        emit(search.to_json(), None)
    else:
        echo("\n".join([*_evidence(search), in_words(search)]))
    raise typer.Exit(0 if search.outcome == "found" else UNPROVEN)


def _planned(suite: str, wanted: "RunOptions", store: str, commits: int) -> tuple[str, list[str]]:
    """Returns the name of the suite, and lines on the duets of a search among this number of commits."""
    from toril.cli.duet import ANY_ADDRESS
    from toril.plan.duet import plan_duet
    from toril.regression.bisect import most_duets, usual_duets
    from toril.reports.plan_text import in_brief
    from toril.runs.publish import local_suite
    from toril.text import plural, span

    with local_suite([suite]) as local:
        options = wanted.model_copy(update={"confined": local.stored})
        _, plan = plan_duet(local.paths, options, SystemClock().now(), base=ANY_ADDRESS, head=ANY_ADDRESS)
    usual, most, duet_s = usual_duets(commits), most_duets(commits), plan.duration_s or 0.0
    lines = [
        f"{plan.suite}: {plural(commits, 'commit')}, usually {plural(usual, 'duet')}, at most {most}",
        f"each duet: {in_brief(plan)}; most end earlier",
        f"load: usually up to {span(usual * duet_s)}, at most {span(most * duet_s)}, and the starts of both versions",
    ]
    if wanted.on == "fargate":
        from toril.launchers.prepare import price_lines
        from toril.store import open_reader

        lines += (f"each duet: {line}" for line in price_lines(plan, open_reader(store)))
    return plan.suite, lines


def _duet(
    suite: str, store: str, options: list[str], of: "BisectDuet", base: str, head: str, overrides: Sequence[str]
) -> None:
    """Runs a duet, whose verdict is in the store then. Any other end of it ends the command."""
    from toril.cli import call

    arguments = [suite, "--base", base, "--head", head, "--store", store, "--run-id", of.run_id, "--fail-on", "none"]
    arguments += [f"--tag=commit={of.commit[:12]}", *options, *(f"-o{override}" for override in overrides)]
    if code := call("duet", arguments):
        raise typer.Exit(code)


def _evidence(search: "Bisect") -> Iterator[str]:
    """Yields a line for each measured commit, in the order of the history."""
    from toril import text
    from toril.regression.comparison import UNITS

    places = {commit: place for place, commit in enumerate(search.commits)}
    for duet in sorted(search.duets, key=lambda duet: places[duet.commit]):
        change = text.change(duet.change, UNITS.get(search.metric, "us")) if search.metric else "–"
        what = f"skipped ({duet.skipped})" if duet.skipped else f"{change} in {text.plural(duet.pairs, 'pair')}"
        yield f"{duet.commit[:12]}  {what}  {duet.run_id}".rstrip()
