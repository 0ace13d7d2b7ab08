"""`toril service`: finds the resources behind a suite's address, and writes them into the suite."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from toril.cli.options import Yes, read_pairs
from toril.cli.streams import echo
from toril.errors import OptionError

if TYPE_CHECKING:
    from toril.suite import Suite

MAIN_FILE = "suite.yml"


def service(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="Folder with a suite.yml, or one Taurus file.")],
    address: Annotated[
        str | None, typer.Option("--address", help="Host name of the load balancer; default: of the suite's requests.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--resource-tag", help="Tag K=V that all resources have, such as app=shop; repeatable."),
    ] = None,
    region: Annotated[str | None, typer.Option("--region", help="Region of the service; default: AWS_REGION.")] = None,
    yes: Yes = False,
) -> None:
    """Find the AWS resources behind SUITE, and write them into it.

    Later runs read their standard metrics. The command only reads the account.
    It finds a load balancer by its name or addresses, and the others behind it.

    Examples:
      toril service loadtests/shop --region eu-west-1
      toril service loadtests/shop --resource-tag app=shop --yes
    """
    from toril.cloudwatch.discover import discover
    from toril.criteria.service import short_name
    from toril.launchers.preflight.regions import addresses_of
    from toril.suite import read_suite
    from toril.suite.edit import with_service

    file = suite / MAIN_FILE if suite.is_dir() else suite
    read = read_suite([suite])
    hosts = {urlsplit(address if "//" in address else f"//{address}").hostname or ""} if address else set(_hosts(read))
    unread: list[str] = []
    pairs = read_pairs("--resource-tag", tag or ())
    found = discover(region or "", hosts, pairs, resolve=addresses_of, unread=unread.append)
    if not found:
        named = ", ".join(sorted(hosts)) or "the suite"
        fix = "Name its load balancer's own host name with --address, or a tag with --resource-tag"
        raise OptionError(
            f"{named}: no load balancer of this region has this name or its addresses. {fix}.", code="no-service-found"
        )
    for resource in found:
        size = ", ".join(f"{name} {value}" for name, value in resource.size.items())
        echo(f"{resource.kind:18} {short_name(resource.id):40} {size}".rstrip())
    if unread:
        names = ", ".join(unread)
        echo(f"The tasks read {names}, and toril does not. If they name a database, find it with --resource-tag.")
    edited = with_service(file.read_text(encoding="utf-8"), found, str(file))
    if not yes:
        typer.confirm(f"Write these {len(found)} resources into {file}?", abort=True, err=True)
    file.write_text(edited, encoding="utf-8")
    echo(f"{file}: later runs read the metrics of {len(found)} resources")


def _hosts(suite: "Suite") -> Iterator[str]:
    """Yields the host names of all addresses in the suite's scenarios."""
    from toril.suite.scenarios import urls_of

    for scenario in suite.scenarios.values():
        urls = [url for url, _ in urls_of(scenario.get("requests"), "")]
        for url in (*urls, str(scenario.get("default-address") or "")):
            if host := urlsplit(url).hostname:
                yield host
