"""AWS' list prices, and the user's own prices (`TORIL_PRICES=file.json`).

`prices.json` has the prices in US dollars. Those of tasks have the date and the source of their region, and a region
that is not listed has none. Where only x86-64 is listed, its price is an upper bound for arm64, which costs less in
each region that lists both. `make prices` updates them. Prices of a service's resources have the date and the source of
their kind, and other regions than us-east-1 have none. The others are from AWS' pricing pages for VPC, EC2, CloudWatch
and S3, and a region without its own has those of us-east-1. Spot prices change, so one fraction of the on-demand price
is assumed for processor and memory, as of 2026-09-28.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from toril.errors import OptionError, StoreError
from toril.records.deployment import Architecture
from toril.records.document import Record

VARIABLE = "TORIL_PRICES"
BASE = "us-east-1"
FILE = Path(__file__).with_name("prices.json")

Dollars = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class Tariff(BaseModel):
    """The prices of a region."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    vcpu_hour: dict[Architecture, Dollars]
    gib_hour: dict[Architecture, Dollars]
    storage_gib_hour: Dollars  # above the free 20 GiB of each task
    address_hour: Dollars  # a public IPv4 address
    nat_gb: Dollars  # through a NAT gateway, in either direction
    egress_gb: Dollars
    logs_gb: Dollars
    put_1000: Dollars  # S3's PUT and LIST
    get_1000: Dollars
    stored_gb_month: Dollars
    as_of: str = ""  # date of the prices of tasks; empty: that of the table
    source: str = ""
    service: dict[str, Dollars] = Field(default_factory=dict)  # of resources of a service under test, by `service.py`

    def lists(self, architecture: Architecture) -> bool:
        return architecture in self.vcpu_hour and architecture in self.gib_hour

    def task_hour(self, architecture: Architecture, vcpus: float, gib: float) -> float | None:
        """Returns the price of a task for an hour, or its upper bound; None if the region has neither."""
        priced: Architecture = architecture if self.lists(architecture) else "x86-64"
        if not self.lists(priced):
            return None
        return vcpus * self.vcpu_hour[priced] + gib * self.gib_hour[priced]


class Source(BaseModel):
    """Where prices are from."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    as_of: str
    source: str


class Assumed(BaseModel):
    """Assumptions on quantities that are unknown before the load."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sent_bytes_per_request: float = Field(ge=0)
    received_bytes_per_request: float = Field(ge=0)
    log_bytes_per_worker: float = Field(ge=0)
    kept_months: float = Field(ge=0)  # of a run's folder


class PriceTable(Record):
    """All prices. Missing prices of a region are those of us-east-1, except those of tasks and of services."""

    SCHEMA: ClassVar[str] = "toril.prices/1"
    model_config = ConfigDict(frozen=True, extra="forbid")
    as_of: str
    spot: float = Field(ge=0, le=1)  # fraction of the on-demand price
    assumed: Assumed
    sources: dict[str, Source]  # of `Tariff.service`, by the kind of a resource
    regions: dict[str, Tariff]
    own: str = ""  # the user's price file, if there is one

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: dict[str, Any]) -> dict[str, Any]:
        regions = data.get("regions")
        if isinstance(regions, dict):
            regions = {name: _completed(prices, regions.get(BASE)) for name, prices in regions.items()}
        return {**data, "regions": regions}

    def of(self, region: str) -> Tariff:
        return self.regions.get(region) or self.regions[BASE].model_copy(update={**OF_TASKS, **OF_SERVICE, "as_of": ""})


OF_TASKS: dict[str, Any] = {"vcpu_hour": {}, "gib_hour": {}}
OF_SERVICE: dict[str, Any] = {"service": {}}


def _completed(own: Any, base: Any) -> Any:
    """Returns a region's prices, with `base` for the missing ones; a value that is not an object stays as it is."""
    if not isinstance(own, dict) or not isinstance(base, dict):
        return own
    return {**base, **OF_TASKS, **OF_SERVICE, "as_of": "", "source": "", **own}


@cache
def list_prices() -> PriceTable:
    """Returns the included price table."""
    return PriceTable.from_json(FILE.read_bytes(), FILE.name)


def read_prices(environment: Mapping[str, str]) -> PriceTable:
    """Returns the price table with the user's own prices; OptionError if their file is invalid."""
    path = environment.get(VARIABLE, "")
    if not path:
        return list_prices()
    where, example = f"{VARIABLE}={path}", '{"regions": {"us-east-1": {"egress_gb": 0.05}}}'
    try:
        own = json.loads(Path(path).read_bytes())
        if not isinstance(own, dict):
            raise ValueError("it is not an object")
    except OSError as error:
        raise OptionError(
            f"{where} cannot be read: {error.strerror}; correct the path, or unset {VARIABLE}", code="unreadable-file"
        ) from error
    except ValueError as error:
        raise OptionError(f"{where} is not JSON: {error}; write it like {example}", code="not-json") from error
    table = json.loads(FILE.read_bytes())
    for region, prices in (own.get("regions") or {}).items() if isinstance(own.get("regions"), dict) else ():
        if isinstance(prices, dict) and prices.keys() & OF_TASKS:
            table["regions"].get(region, {}).pop("as_of", None)  # the user's file has its own date
    merged = _merged(table, {**own, "schema": table["schema"], "own": Path(path).name})
    try:
        return PriceTable.from_json(json.dumps(merged).encode(), where)
    except StoreError as error:
        problem = str(error)
        if isinstance(error.__cause__, ValidationError):
            first = error.__cause__.errors(include_url=False)[0]
            problem = f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise OptionError(f"{problem}; write it like {example}", code="bad-prices") from error


def _merged(base: Any, own: Any) -> Any:
    if isinstance(base, dict) and isinstance(own, dict):
        return {**base, **{key: _merged(base.get(key), value) for key, value in own.items()}}
    return own
