"""Runs pull-request.yml on this machine, once or several times, for a pull request to the shop in the working tree.

    python -m tests.workflows [--slower] [--without-base] [--own-suite] [--times N] [--keep FOLDER]

Prints a line per run: exit code, verdicts of run and comparison, requests counted by the shops, seconds. --keep stores
`log-9001.txt`, `artifacts/` and `comments.json`. The exit code is the number of failed builds.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.github.fake_api import GitHub, serving
from tests.workflows.acting import Acted, acting
from tests.workflows.repository import NUMBER
from tests.workflows.shop import HARMLESS, answered, assert_counted, runs, shop, slower


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slower", action="store_true", help="the change makes checkouts 400 ms slower")
    parser.add_argument("--without-base", action="store_true", help="nothing to compare with: a third of the time")
    parser.add_argument("--own-suite", action="store_true", help="the project's suite instead of a short one")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder that is not there yet")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toril-workflows-") as scratch:
        folder = asked.keep or Path(scratch, "stage")
        return sum(once(folder / str(number), asked) for number in range(1, asked.times + 1))


def once(folder: Path, asked: argparse.Namespace) -> bool:
    """Returns whether the build failed."""
    repository = shop(folder / "repository", with_base=not asked.without_base, own_suite=asked.own_suite)
    repository.amend(slower(repository) if asked.slower else HARMLESS)
    api = GitHub(pulls={NUMBER: (f"acme:{repository.branch}", repository.head)})
    began = time.monotonic()
    with serving(api), acting(folder / "stage", repository, api=api) as stage:
        done = stage.run("pull_request", repository.pull_request(), "pull-request.yml")
    (folder / "stage" / "comments.json").write_text(json.dumps(api.comments, indent=1))
    assert_counted(done)
    sys.stdout.write(f"{line(done)}, {time.monotonic() - began:.0f} s\n")
    sys.stdout.flush()
    return done.code != 0


def line(done: Acted) -> str:
    found = {name: run.verdict for name, run in runs(done).items()}
    printed = f"exit code {done.code}, run {found['run']['outcome']} ({found['run']['reasons'][0]['message']})"
    if "duet" in found:
        printed += f", duet {found['duet']['outcome']} (comparison {found['duet']['comparison']['outcome']})"
    return f"{printed}, answered {dict(answered(done))}"


if __name__ == "__main__":
    sys.exit(main())
