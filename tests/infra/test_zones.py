"""Workers run in zones with Fargate, and a new zone moves no addresses."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.network.zones import Zone, choose_zones, divide
from infra.settings import SettingError

VIRGINIA = [Zone(f"use1-az{number}", f"us-east-1{letter}") for number, letter in enumerate("fdaecb", start=1)]


def ids(region: str, found: list[Zone], *architectures: str, count: int = 2) -> list[str]:
    return [zone.id for zone in choose_zones(region, found, architectures, count)]


def test_zones_are_chosen_by_id_independently_of_names_and_order():
    assert (
        ids("us-east-1", VIRGINIA, "x86-64") == ids("us-east-1", VIRGINIA[::-1], "x86-64") == ["use1-az1", "use1-az2"]
    )


def test_arm64_workers_avoid_zones_without_graviton():
    assert ids("us-east-1", VIRGINIA, "x86-64", count=3) == ["use1-az1", "use1-az2", "use1-az3"]
    assert ids("us-east-1", VIRGINIA, "arm64", "x86-64", count=3) == ["use1-az1", "use1-az2", "use1-az4"]


@pytest.mark.parametrize(
    ("region", "code", "zones"), [("us-west-1", "usw1", [1, 3]), ("ap-northeast-1", "apne1", [1, 2, 4])]
)
def test_only_zones_with_fargate_are_chosen(region, code, zones):
    found = [Zone(f"{code}-az{number}", f"{region}{letter}") for number, letter in enumerate("abcd", start=1)]
    assert ids(region, found, "x86-64", count=len(zones)) == [f"{code}-az{number}" for number in zones]


def test_the_error_about_too_many_zones_has_the_possible_number():
    with pytest.raises(SettingError, match=r"toril:network\.zones: `3`.* 2 .*us-west-1.* to 2"):
        choose_zones("us-west-1", [Zone(f"usw1-az{n}", f"us-west-1{n}") for n in (1, 2, 3)], ["arm64"], 3)


@given(st.integers(16, 24), st.integers(1, 6))
def test_blocks_are_disjoint_within_the_network_and_independent_of_the_number_of_zones(length, zones):
    network = ipaddress.ip_network(f"10.40.0.0/{length}")
    found, more = divide(str(network), zones), divide(str(network), 6)
    blocks = [ipaddress.ip_network(block) for block in (*more.zones, more.gateway)]
    assert found.zones == more.zones[:zones] and found.gateway == more.gateway
    assert all(block.subnet_of(network) for block in blocks)  # type: ignore[arg-type]
    assert not any(one.overlaps(other) for one in blocks for other in blocks if one is not other)
