"""Commands around runs on Fargate: suites for schedules, and the end of what a run has left."""

import typer

from toril.cli.parameters import StoreOption, Suites
from toril.clock import SystemClock
from toril.store import open_store
from toril.suite import read_suite
from toril.suite.origin import read_origin
from toril.suite.pushed import push as push_suite


def push(suite: Suites, store: StoreOption = ".toril") -> None:
    """Put SUITE into the store, with its commit, where the schedules of a home region find it.

    Example: toril push loadtests/shop --store s3://toril-123456789012-us-east-1
    """
    opened, read = open_store(store), read_suite(suite, on="fargate")
    pushed = push_suite(opened, read, read_origin(read.folder, read.files), SystemClock().now())
    commit = "no commit" if pushed.origin is None else f"commit {pushed.origin.tag}"
    typer.echo(f"{opened.address(f'suites/{pushed.suite}')}: {len(pushed.files)} files, {commit}")
