"""Lists or deletes the repositories that pull-through caches created: python -m tools.cache_repositories REGION…

No stack owns these repositories, so `pulumi destroy` leaves them. The caches of each region are those of its record in
the store, so delete their repositories before you destroy the stack. Deleting a repository deletes its images; the next
pull of an image fetches it again.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from typing import Any

from toril.errors import UserError
from toril.launchers.fargate import clients
from toril.launchers.prepare import read_deployments
from toril.records import Deployment
from toril.store import open_store

ROOT = "ROOT"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("regions", nargs="+", metavar="REGION", help="Regions with a stack.")
    parser.add_argument("--store", default=os.environ.get("TORIL_STORE", ""), help="Default: TORIL_STORE.")
    parser.add_argument("--delete", action="store_true", help="Delete them, with their images.")
    options = parser.parse_args(arguments)
    try:
        deployments = read_deployments(open_store(options.store))
    except UserError as error:
        parser.error(str(error))
    if unknown := sorted(set(options.regions) - deployments.keys()):
        parser.error(f"{', '.join(unknown)}: not in {options.store}, which has {', '.join(deployments)}")
    for region in options.regions:
        ecr = clients(deployments)("ecr", region)
        for name in list(repositories(ecr, deployments[region])):
            if options.delete:
                ecr.delete_repository(repositoryName=name, force=True)
            print(f"{region}  {name}{'  deleted' if options.delete else ''}")
    return 0


def repositories(ecr: Any, deployment: Deployment) -> Iterator[str]:
    """Returns the names of the repositories below the prefixes of a region's caches."""
    prefixes = tuple(f"{cache.prefix}/" for cache in deployment.caches if cache.prefix != ROOT)
    if len(prefixes) < len(deployment.caches):
        print(f"{deployment.region}: The cache ROOT has no prefix; delete its repositories by name.", file=sys.stderr)
    return repositories_below(ecr, prefixes)


def repositories_below(ecr: Any, prefixes: tuple[str, ...]) -> Iterator[str]:
    """Returns the names of a region's repositories that begin with one of the prefixes."""
    for page in ecr.get_paginator("describe_repositories").paginate():
        yield from (one["repositoryName"] for one in page["repositories"] if one["repositoryName"].startswith(prefixes))


if __name__ == "__main__":
    sys.exit(main())
