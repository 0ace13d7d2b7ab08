"""Checks of prices with pytest, all of whose features work here."""

import json
import os
from urllib.request import urlopen

import pytest


def product(number: int) -> dict[str, object]:
    with urlopen(f"{os.environ['SHOP_URL']}/product/{number}", timeout=10) as answer:  # noqa: S310 - the suite's own
        found: dict[str, object] = json.load(answer)
        return found


@pytest.mark.parametrize(("number", "cents"), [(1, 507), (17, 619), (1000, 7500)])
def test_a_price_is_what_it_should_be(number: int, cents: int) -> None:
    assert product(number)["price_cents"] == cents
