"""The options of `toril agent`, and the id that no run may have."""

import pytest

from tests.refusals import refused
from toril.cli.agent import agent
from toril.cli.options import read_run_id
from toril.records.agent import Announcement, announcement_key, is_private
from toril.runs.activity import unfinished
from toril.runs.find import checked_id, run_ids
from toril.store import FolderStore


@pytest.mark.parametrize(
    "options",
    [
        {"location": "eu-west-1"},
        {"location": "local"},
        {"location": "o" * 33},
        {"location": "office", "name": "a b"},
        {"location": "office", "max_duration": "soon"},
        {"location": "office", "max_duration": "0"},
    ],
)
def test_an_agent_needs_a_usable_location_name_and_duration(options, tmp_path):
    with refused("option-value"):
        agent(**{"slots": 1, "store": str(tmp_path), **options})


def test_private_locations_are_not_regions():
    others = ("eu-west-1", "eu", "us", "eusc", "local", "")  # the right of `eu` would cover `eu-west-1-1`
    assert [name for name in ("office", "rack_2", *others) if is_private(name)] == ["office", "rack_2"]


def test_the_records_of_agents_are_no_run(tmp_path):
    store = FolderStore(tmp_path)
    one = Announcement(location="office", agent="desk", instance="1", at=0.0, slots=1, free=1)
    store.put(announcement_key("office", "desk"), one.to_json())
    assert run_ids(store) == []
    assert unfinished(store, 0.0) == []
    with refused("no-such-run"):
        checked_id("agents")
    with refused("option-value", "agents"):
        read_run_id("agents")
