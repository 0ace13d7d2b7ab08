"""Groups of locations in place of their members."""

from fractions import Fraction

import pytest

from tests.refusals import refused
from tests.suite.reading import execution, read, refuses
from toril.errors import SuiteError
from toril.plan import make_plan

GROUPS = {"europe": ["eu-west-1", "eu-central-1"], "all": ["eu-west-1", "us-east-1", "office"]}


def suite(locations, groups=GROUPS, **more):
    scenario = {"requests": ["http://shop/"]}
    return execution(scenario=scenario, locations=locations, **more) | {"toril": {"location-groups": groups}}


def test_a_groups_weight_is_divided_equally_and_added_to_that_of_a_member(tmp_path):
    found = read(tmp_path, suite({"europe": 3, "office": 1, "eu-west-1": 1})).executions[0].locations
    assert found == {"eu-west-1": Fraction(5, 2), "eu-central-1": Fraction(3, 2), "office": 1}


def test_a_groups_workers_are_divided_by_largest_remainder(tmp_path):
    written = suite({"all": 5}, concurrency=10, **{"locations-weighted": False})
    assert read(tmp_path, written).executions[0].locations == {"eu-west-1": 2, "us-east-1": 2, "office": 1}


def test_groups_replace_locations_of_the_command_line_too(tmp_path):
    found = read(tmp_path, suite({"lab": 1}), locations={"europe": "2"}).executions[0].locations
    assert found == {"eu-west-1": 1, "eu-central-1": 1}


@pytest.mark.parametrize(
    ("groups", "code"),
    [
        ({"europe": ["eu-west-1", "all"], "all": ["us-east-1"]}, "unusable-name"),
        ({"europe": ["eu-west-1", "europe"]}, "unusable-name"),
        ({"europe": ["eu west 1"]}, "unusable-name"),
        ({"europe": []}, "empty-list"),
    ],
)
def test_nested_empty_and_unusable_groups_are_refused(tmp_path, groups, code):
    refuses(tmp_path, suite({"europe": 1}, groups), code, "toril.location-groups")


def test_a_criterion_names_a_location_of_a_group_and_not_the_group(tmp_path):
    written = suite({"europe": 1}, concurrency=2) | {
        "reporting": [{"module": "passfail", "criteria": ["p95>1s for 5s in europe"]}]
    }
    with refused("unknown-location", "eu-central-1", error=SuiteError):
        make_plan(read(tmp_path, written), run_id="run", workers=None)
