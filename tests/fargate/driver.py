"""`python -m tests.fargate.driver run|take-over RUN …`: a coordinator with a fast pace, which may kill itself.

It does the same as the command, but with a pace of seconds instead of Fargate's minutes, so that tests can wait for
faults. Prints the result of the run as JSON.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from toril.clock import SystemClock
from toril.errors import UserError
from toril.launchers.prepare import launcher_for
from toril.plan.duet import plan_duet
from toril.plan.options import RunOptions, plan_run
from toril.records import Pace
from toril.records.progress import Progress, ProgressNote
from toril.run import carry_on, run
from toril.runs.conclude import Judged
from toril.signals import caught_interrupts
from toril.store import Store, open_store

HURRIED = Pace(
    flush_s=1.0,
    poll_s=0.3,
    start_lead_s=1.5,
    ready_timeout_s=60.0,
    lease_renew_s=1.0,
    lease_expires_s=5.0,
    orphaned_after_s=15.0,
    kill_after_s=5.0,
    give_up_s=12.0,
)
SKIPPED_S = 15.0  # at each look of a wait for metrics


class Mortal:
    """A store that kills its process right after it has written a key with this suffix."""

    def __init__(self, store: Store, last: str) -> None:
        self._store, self._last = store, last

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in ("put", "put_once", "swap"):
            return found

        def write(key: str, *rest: Any) -> Any:
            done = found(key, *rest)
            if key.endswith(self._last):
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return write


class HurriedClock(SystemClock):
    """The machine's clock, until it skips waits."""

    ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s


class NotesView:
    """A view that prints each new note once. Waits for metrics after the load seem to take a fraction of their time."""

    def __init__(self, clock: HurriedClock) -> None:
        self.printed: set[ProgressNote] = set()
        self.clock = clock

    def show(self, progress: Progress) -> None:
        if progress.phase == "waiting":
            self.clock.ahead_s += SKIPPED_S
        for note in set(progress.notes) - self.printed:
            self.printed.add(note)
            sys.stderr.write(f"{note.message}\n")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["run", "take-over"])
    parser.add_argument("run_id")
    parser.add_argument("--suite", type=Path)
    parser.add_argument("--duet", default="", help="address of both arms")
    parser.add_argument("--die-after", default="")
    parser.add_argument("--pace", default="{}", help="JSON; changes of the fast pace")
    parser.add_argument("--plan", default="{}", help="JSON; changes of the plan")
    asked = parser.parse_args()
    store, clock = open_store(os.environ["TORIL_STORE"], patience_s=5.0), HurriedClock()
    view = NotesView(clock)
    if asked.die_after:
        store = Mortal(store, asked.die_after)
    try:
        with caught_interrupts() as interrupts:
            if asked.what == "take-over":
                result = result_of(carry_on(store, asked.run_id, clock, view, interrupts))
            else:
                options = RunOptions(on="fargate", run_id=asked.run_id)
                if asked.duet:
                    suite, plan = plan_duet([asked.suite], options, clock.now(), base=asked.duet, head=asked.duet)
                else:
                    suite, plan = plan_run([asked.suite], options, clock.now())
                pace = HURRIED.model_copy(update=json.loads(asked.pace))
                plan = plan.model_copy(update={"pace": pace, **json.loads(asked.plan)})
                launcher = launcher_for(plan, store, {}, clock)
                result = result_of(
                    run(suite, plan, store=store, launcher=launcher, clock=clock, view=view, interrupts=interrupts)
                )
    except UserError as error:
        result = {"error": str(error), "code": error.exit_code}
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


def result_of(judged: Judged) -> dict[str, Any]:
    verdict = judged.bundle.verdict.to_dict()
    return {
        "outcome": verdict["outcome"],
        "reasons": verdict["reasons"],
        "interrupted": judged.interrupted,
        "left": list(judged.left),
    }


if __name__ == "__main__":
    sys.exit(main())
