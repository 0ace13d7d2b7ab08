"""Completes the list prices of Fargate from AWS' public price list, which needs no account.

    python -m tools.prices [ADDRESS]        ADDRESS of the list of ECS; default: AWS' own

It writes `src/toril/launchers/pricing/prices.json` anew: processor, memory and storage of each listed region, with the
list's date. Other prices, and regions that the list lacks, stay. AWS has a list of its own for China.
"""

import json
import re
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from toril.launchers.pricing.table import FILE, PriceTable

LIST = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonECS/current/index.json"
SOURCE = "AWS Price List AmazonECS"
WITHIN_S = 60
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")  # not of local zones
USAGE = re.compile(  # without Windows, Spot and ECS' own charges
    r"(?:[A-Z0-9]+-)?Fargate-(ARM-)?(vCPU-Hours:perCPU|GB-Hours|EphemeralStorage-GB-Hours)"
)
NAMES = {"vCPU-Hours:perCPU": "vcpu_hour", "GB-Hours": "gib_hour", "EphemeralStorage-GB-Hours": "storage_gib_hour"}


def completed(table: Mapping[str, Any], offer: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the table with the prices of an offer. Raises ValueError if the offer has none of us-east-1."""
    listed: dict[str, dict[str, Any]] = {}
    for region, name, architecture, usd in _prices(offer):
        own = listed.setdefault(region, {})
        if name == "storage_gib_hour":
            own[name] = usd
        else:
            own.setdefault(name, {})[architecture] = usd
    complete = {region: one for region, one in listed.items() if one.keys() >= {"vcpu_hour", "gib_hour"}}
    if "us-east-1" not in complete:
        raise ValueError("the list has no prices of Fargate in us-east-1")
    dated = {"as_of": str(offer["publicationDate"])[:10], "source": SOURCE}
    regions = {
        region: {**table["regions"].get(region, {}), **dated, **complete[region]}
        if region in complete
        else table["regions"][region]
        for region in sorted({*table["regions"], *complete}, key=lambda one: (one != "us-east-1", one))
    }
    return {**table, "regions": regions}


def _prices(offer: Mapping[str, Any]) -> Iterator[tuple[str, str, str, float]]:
    """Yields region, name and processor of each price of Fargate on Linux, with the price on demand."""
    for sku, product in offer["products"].items():
        attributes = product["attributes"]
        usage = USAGE.fullmatch(attributes.get("usagetype", ""))
        if usage is None or not REGION.fullmatch(attributes.get("regionCode", "")):
            continue
        for term in offer["terms"]["OnDemand"].get(sku, {}).values():
            for dimension in term["priceDimensions"].values():
                usd = float(dimension["pricePerUnit"]["USD"])
                yield attributes["regionCode"], NAMES[usage[2]], "arm64" if usage[1] else "x86-64", usd


def render(table: Mapping[str, Any]) -> str:
    """Returns the text of the file, with one line for each region."""
    *head, regions = ({name: value} for name, value in table.items())
    lines = [json.dumps(one)[1:-1] for one in head]
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in regions["regions"].items())
    return "{\n " + ",\n ".join([*lines, f'"regions": {{\n{rows}\n }}']) + "\n}\n"


def main(address: str = LIST, file: Path = FILE) -> None:
    try:
        with urllib.request.urlopen(address, timeout=WITHIN_S) as answer:  # noqa: S310 - an address of the caller
            text = render(completed(json.loads(file.read_bytes()), json.load(answer)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{address}: {error!r}. {file} is unchanged.")
    PriceTable.from_json(text.encode(), file.name)
    file.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else LIST)
