"""AWS' list prices for the parts of a run, and the user's own (`TORIL_PRICES=file.json`).

`prices.json` beside this module has them in US dollars, from the AWS Price List (AmazonECS) of September 2026 and AWS'
pricing pages for VPC, EC2, CloudWatch and S3. A price that is not listed for a region is us-east-1's. São Paulo's are
us-east-1's plus its known surcharge. Spot prices change: one fraction of the usual price stands for processor and
memory, as seen on 2026-09-28.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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


class RegionPrices(BaseModel):
    """The list prices of a region."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    vcpu_hour: dict[Architecture, Dollars] = Field(default_factory=dict)
    gib_hour: dict[Architecture, Dollars] = Field(default_factory=dict)
    storage_gib_hour: Dollars | None = None  # of the disk above the 20 GiB of every task
    address_hour: Dollars | None = None  # a public IPv4 address
    nat_gb: Dollars | None = None  # through a NAT gateway, in either direction
    egress_gb: Dollars | None = None
    logs_gb: Dollars | None = None
    put_1000: Dollars | None = None  # S3's PUT and LIST
    get_1000: Dollars | None = None
    stored_gb_month: Dollars | None = None


SINGLE = tuple(name for name in RegionPrices.model_fields if name not in ("vcpu_hour", "gib_hour"))


class Assumed(BaseModel):
    """Guesses of what is unknown before the load."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sent_bytes_per_request: float = Field(ge=0)
    received_bytes_per_request: float = Field(ge=0)
    log_bytes_per_worker: float = Field(ge=0)
    kept_months: float = Field(ge=0)  # of a run's folder


class PriceTable(Record):
    """All prices; those of us-east-1 are complete."""

    SCHEMA: ClassVar[str] = "toril.prices/1"
    model_config = ConfigDict(frozen=True, extra="forbid")
    as_of: str
    spot: float = Field(ge=0, le=1)  # of the usual price
    assumed: Assumed
    regions: dict[str, RegionPrices]
    own: str = ""  # the user's file, of which some of them are

    @model_validator(mode="after")
    def _complete(self) -> "PriceTable":
        base = self.regions.get(BASE, RegionPrices())
        for name in ("vcpu_hour", "gib_hour"):
            if set(getattr(base, name)) != {"x86-64", "arm64"}:
                raise ValueError(f"{BASE} has no {name} of both processors")
        lacking = [name for name in SINGLE if getattr(base, name) is None]
        if lacking:
            raise ValueError(f"{BASE} has no {', '.join(lacking)}")
        return self

    def of(self, region: str, architecture: Architecture) -> "Tariff":
        """Returns the prices of a region, for one processor."""
        here, base = self.regions.get(region, RegionPrices()), self.regions[BASE]
        known = architecture in here.vcpu_hour and architecture in here.gib_hour
        compute = here if known else base

        def price(name: str) -> float:
            found = getattr(here, name)
            return float(getattr(base, name) if found is None else found)

        return Tariff(
            region=region,
            known=known,
            vcpu_hour=compute.vcpu_hour[architecture],
            gib_hour=compute.gib_hour[architecture],
            **{name: price(name) for name in SINGLE},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """One region's prices. `known`: its processor is listed; otherwise it is priced as in us-east-1."""

    region: str
    known: bool
    vcpu_hour: float
    gib_hour: float
    storage_gib_hour: float
    address_hour: float
    nat_gb: float
    egress_gb: float
    logs_gb: float
    put_1000: float
    get_1000: float
    stored_gb_month: float


@cache
def list_prices() -> PriceTable:
    """Returns the table that toril comes with."""
    return PriceTable.from_json(FILE.read_bytes(), FILE.name)


def read_prices(environment: Mapping[str, str]) -> PriceTable:
    """Returns the table with the user's own prices in it; OptionError if their file is not one."""
    path = environment.get(VARIABLE, "")
    if not path:
        return list_prices()
    where, example = f"{VARIABLE}={path}", '{"regions": {"us-east-1": {"egress_gb": 0.05}}}'
    try:
        own = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise OptionError(
            f"{where} cannot be read: {error.strerror}; correct the path, or unset it", code="unreadable-file"
        ) from error
    except ValueError as error:
        raise OptionError(f"{where} is no JSON: {error}; write it like {example}", code="not-json") from error
    if not isinstance(own, dict):
        raise OptionError(f"{where} is no JSON object; write it like {example}", code="not-json")
    own.pop("schema", None)
    merged = _merged(json.loads(FILE.read_bytes()), {**own, "own": Path(path).name})
    try:
        return PriceTable.from_json(json.dumps(merged).encode(), where)
    except StoreError as error:
        raise OptionError(f"{where}: {_problem(error)}; write it like {example}", code="bad-prices") from error


def _merged(base: Any, own: Any) -> Any:
    if isinstance(base, dict) and isinstance(own, dict):
        return {**base, **{key: _merged(base.get(key), value) for key, value in own.items()}}
    return own


def _problem(error: StoreError) -> str:
    """Returns where in the file the problem is, and the problem."""
    if isinstance(error.__cause__, ValidationError):
        first = error.__cause__.errors(include_url=False)[0]
        problem = first["msg"].removeprefix("Value error, ")
        where = ".".join(map(str, first["loc"]))
        return f"{where}: {problem[0].lower()}{problem[1:]}" if where else problem
    return str(error)
