"""The story of a duet: one suite planned against two addresses, woven into one plan, and run like any other."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from toril.errors import OptionError, SuiteError
from toril.plan.duet import make_duet
from toril.plan.options import RunOptions, new_run_id, plan_run
from toril.records import Plan
from toril.suite import Suite
from toril.suite.against import checked_address
from toril.suite.settings import Regression


def plan_duet(
    paths: Sequence[str | Path],
    options: RunOptions,
    now: float,
    *,
    base: str,
    head: str,
    blocks: int | None = None,
    margin: float | None = None,
) -> tuple[Suite, Plan]:
    """The suite as read against head, and the plan that has both; starts nothing.

    `blocks` and `margin` go before the suite's own `toril.regression`.
    """
    if options.on != "local":
        raise OptionError(
            f"--on {options.on}: a duet runs on this machine; on Fargate it cannot run yet", code="duet-on-fargate"
        )
    addresses = checked_address("--base", base), checked_address("--head", head)
    of_base = replace(options, against=addresses[0])
    suite, planned = plan_run(paths, of_base, now)
    for execution in suite.executions:
        if execution.search is not None:
            raise SuiteError(
                f"{suite.source}: toril.capacity.{execution.name} looks for a rate, and a duet compares at one; "
                "leave it out, or run each address by itself",
                code="duet-of-a-search",
            )
        if execution.curve is not None:
            raise SuiteError(
                f"{suite.source}: execution[{execution.index}] has a load curve, and a duet compares equal pieces "
                "of one load, in turns; give it `throughput` and `hold-for`, in a suite of its own",
                code="duet-of-a-curve",
            )
    of_head = replace(options, against=addresses[1], run_id=options.run_id or new_run_id(suite.name, now))
    suite, against_head = plan_run(paths, of_head, now)
    wanted = suite.toril.regression or Regression()
    woven = make_duet(
        planned.model_copy(update={"run_id": against_head.run_id}),
        against_head,
        addresses=addresses,
        blocks=blocks or wanted.blocks,
        block_s=wanted.block_s,
        margin=wanted.margin if margin is None else margin,
        labels=wanted.labels,
        variable=suite.variable,
    )
    return suite, woven
