"""`toril duet`: compares two versions under load, with itself (`--aa`), or plans such a comparison (`--plan`)."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toril.cli.options import (
    INTERRUPTED,
    Environment,
    FailOn,
    MaxCost,
    Notify,
    On,
    Otlp,
    Overrides,
    Quiet,
    Reports,
    RunId,
    Stage,
    StoreOption,
    Suites,
    Tags,
    Workers,
    read_margin,
    run_options,
    wrong_value,
)
from toril.cli.running import leave_tokens, run_to_verdict
from toril.cli.streams import echo
from toril.clock import SystemClock
from toril.errors import InfrastructureError, OptionError, StoreError

if TYPE_CHECKING:
    from toril.plan.options import RunOptions
    from toril.records import Plan
    from toril.regression.calibration import Calibration, Proposal
    from toril.suite import Suite

    Planned = Callable[[Sequence[str | Path], RunOptions, float], tuple[Suite, Plan]]

DETECT = re.compile(r"detect (?P<percent>[0-9]{1,3}(?:\.[0-9]{1,3})?)%")
EXCHANGE_S = 600.0
ANY_ADDRESS = "http://127.0.0.1"  # a plan without a start needs no real one


def duet(
    ctx: typer.Context,
    suite: Suites,
    base: Annotated[
        str | None,
        typer.Option("--base", help="Address to compare with, e.g. of the main branch; required without --plan."),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option("--head", help="Address to check, e.g. of the change; required without --plan and --aa."),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option("--time", help="Most load of both versions together; default: toril.regression.time, or 5m."),
    ] = None,
    blocks: Annotated[
        int | None,
        typer.Option("--blocks", min=4, max=400, help="Most pairs of blocks; default: as many as the time allows."),
    ] = None,
    block: Annotated[
        str | None, typer.Option("--block", help="Load of each version in a pair; default: toril.regression.block.")
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option("--margin", help="Largest slowdown to tolerate, e.g. 3%; default: toril.regression.margin."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Number that decides the order of blocks; default: random.")
    ] = None,
    aa: Annotated[bool, typer.Option("--aa", help="Compare BASE with itself, to learn the noise.")] = False,
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan", help="Print the blocks and minutes that find a change, e.g. 'detect 5%'; start nothing."
        ),
    ] = None,
    swap: Annotated[
        str | None,
        typer.Option(
            "--swap",
            envvar="TORIL_SWAP",
            help="Command that exchanges both deployments; a second half follows. The variable is for two hosts only.",
        ),
    ] = None,
    store: StoreOption = ".toril",
    overrides: Overrides = None,
    env: Environment = None,
    stage: Stage = None,
    workers: Workers = None,
    on: On = "local",
    run_id: RunId = None,
    tag: Tags = None,
    fail_on: FailOn = "failed,inconclusive",
    report: Reports = None,
    max_cost: MaxCost = None,
    otlp: Otlp = None,
    notify: Notify = None,
    quiet: Quiet = False,
) -> None:
    """Load BASE and HEAD alternately, and fail if HEAD is proven slower.

    The same workers load both addresses in pairs of short blocks, until HEAD
    is proven slower than BASE by more than the margin, or proven not to be.
    The run also fails if HEAD breaches a criterion. The exit codes are those
    of `toril run`.

    Examples:
      toril duet loadtests/shop --base http://127.0.0.1:8001 --head http://127.0.0.1:8002
      toril duet loadtests/shop --base https://main.example.com --head https://change.example.com --margin 5%
      toril duet loadtests/shop --plan 'detect 5%'
    """
    from toril.plan.duet import on_two_hosts, plan_duet
    from toril.runs.publish import local_suite

    if time is not None:
        if blocks is not None:
            raise OptionError("--time and --blocks exclude each other. Remove one of them.", code="conflicting-options")
        overrides = [*(overrides or ()), "toril.regression.blocks=null", f"toril.regression.time={time}"]
    if block is not None:
        overrides = [*(overrides or ()), f"toril.regression.block={block}"]
    source = ctx.get_parameter_source("swap")
    if source is not None and source.name == "ENVIRONMENT" and not (base and head and on_two_hosts(base, head)):
        swap = None
    wanted = run_options(overrides, env, workers, on, run_id, tag, smoke=False, stage=stage, max_cost=max_cost)
    planned = partial(plan_duet, blocks=blocks, margin=read_margin(margin), seed=seed, aa=aa)
    if plan is not None:
        change = _change(plan)
        with local_suite(suite) as local:
            options, address = wanted.model_copy(update={"confined": local.stored}), base or ANY_ADDRESS
            _, made = planned(local.paths, options, SystemClock().now(), base=address, head=head or address)
        echo("\n".join(_proposals(made, store, change)))
        return
    base, head = _addresses(base, head, aa=aa, swap=swap)
    leave_tokens(wanted)
    run = partial(run_to_verdict, quiet=quiet, otlp=otlp, notify=notify)
    if swap is None:
        foreseen = partial(_foreseen, planned=partial(planned, base=base, head=head), store=store)
        run(local_suite(suite), wanted, foreseen, store, fail_on, report)
        return
    from toril.plan.options import new_run_id
    from toril.programs import run_hook

    first_id = new_run_id("first-half", SystemClock().now())
    first = partial(planned, base=base, head=head, halved=True)
    try:
        run(local_suite(suite), wanted.model_copy(update={"run_id": first_id}), first, store, fail_on, None)
    except typer.Exit as left:
        if left.exit_code in (INTERRUPTED, InfrastructureError.exit_code):
            raise
    places = {"TORIL_BASE_URL": base, "TORIL_HEAD_URL": head}
    echo(run_hook(swap, (), places, EXCHANGE_S), err=True, nl=False)
    second = partial(planned, base=head, head=base, halved=True, first_half=first_id)
    run(local_suite(suite), wanted, second, store, fail_on, report)


def _addresses(base: str | None, head: str | None, *, aa: bool, swap: str | None) -> tuple[str, str]:
    if aa and (head is not None or swap is not None):
        other = "--head" if head is not None else "--swap"
        raise OptionError(f"--aa and {other} exclude each other. Remove one of them.", code="conflicting-options")
    head = base if aa else head
    if base is None or head is None:
        missing = "--base" if base is None else "--head"
        raise OptionError(f"{missing}: the address is missing. Add {missing} URL.", code="missing-option")
    return base, head


def _change(text: str) -> float:
    """Returns `detect 5%` as 0.05."""
    match = DETECT.fullmatch(" ".join(text.split()))
    if not match or not 0 < float(match["percent"]) <= 100:
        raise wrong_value("--plan", text, "expected e.g. `detect 5%`.")
    return float(match["percent"]) / 100


def _foreseen(
    paths: "Sequence[str | Path]", options: "RunOptions", now: float, *, planned: "Planned", store: str
) -> "tuple[Suite, Plan]":
    """Returns the plan with a note on the margin that earlier duets let expect, if there are any."""
    from toril.regression.calibration import provable

    suite, plan = planned(paths, options, now)
    with suppress(StoreError):  # a duet needs no experience
        if (note := provable(_experience(plan, store), plan)) is not None:
            notes = {"warnings": (*plan.warnings, note.message), "warning_codes": (*plan.warning_codes, note.code)}
            plan = plan.model_copy(update=notes)
    return suite, plan


def _experience(plan: "Plan", store: str) -> "Calibration":
    """Returns what the store's duets like the suite's last one show."""
    from toril.records.history import Fingerprint
    from toril.regression.calibration import calibrate
    from toril.runs.earlier import earlier_duets
    from toril.store import open_reader

    duets = earlier_duets(open_reader(store), plan.suite)
    last = next(duets, None)
    return calibrate([] if last is None else chain([last], duets), Fingerprint() if last is None else last.fingerprint)


def _proposals(plan: "Plan", store: str, change: float) -> Iterator[str]:
    """Yields a line for each figure, and the one that needs the most pairs."""
    from toril.explain import coded
    from toril.regression.calibration import propose, provable
    from toril.text import plain

    known = _experience(plan, store)
    proposals = propose(known, plan, change)
    yield f"{plan.suite}: to find a change of {100 * change:g}%, by the spread in {known.duets} earlier duets"
    yield from map(_proposal, proposals)
    slowest = max(proposals, key=lambda proposal: proposal.pairs or float("inf"))
    if slowest.pairs is not None:
        yield f"{slowest.figure.name} decides: --blocks {slowest.pairs} is enough"
    notes = *plan.notes, *filter(None, [provable(known, plan)])
    yield from (f"note: {coded(plain(note.message, 1000), note.code)}" for note in notes)


def _proposal(proposal: "Proposal") -> str:
    name = proposal.figure.name
    if proposal.margin is None:
        return f"  {name}: unknown spread. Run `toril duet --aa` first."
    margin = f"; the smallest reasonable margin is {100 * proposal.margin:.3g}%"
    if proposal.pairs is None:
        return f"  {name}: more than 400 pairs. Use longer blocks, or find a larger change{margin}"
    return f"  {name}: {proposal.pairs} pairs in {proposal.minutes or 0:.1f} minutes{margin}"
