"""The typed summary is written as it was read; foreign files are read within bounds only."""

import json
from dataclasses import replace

import pytest

from tests.refusals import refused
from tests.reports import examples
from toril.records.document import document
from toril.records.summary import Summary

SMALL = {"schema": "toril.summary/1", "labels": {"": {"samples": 7, "new": 1}}, "newer": {"a": [1]}}


def test_a_read_summary_is_written_with_the_fields_of_newer_versions():
    for stored in (SMALL, json.loads(document(examples.failed().summary))):
        assert Summary.from_json(document(stored), "summary.json").to_dict() == stored


def test_a_changed_summary_is_written_from_its_own_fields():
    changed = replace(Summary.from_json(document(SMALL), "summary.json"), run_id="other").to_dict()

    assert changed["run_id"] == "other"
    assert changed["labels"][""]["samples"] == 7
    assert "newer" not in changed


def test_figures_of_the_first_versions_without_a_labels_object_are_read():
    old = {"locations": {"eu": {"": {"samples": 3}}}, "executions": {"shop": {"labels": {"": {"samples": 4}}}}}
    found = Summary.from_dict(old)

    assert found.locations["eu"].labels[""].samples == 3
    assert found.executions["shop"].labels[""].samples == 4


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "damaged-file"),
        (b"[]", "damaged-file"),
        (b"{", "damaged-file"),
        (document({**SMALL, "labels": 3}), "damaged-file"),
        (document({**SMALL, "labels": {"": 3}}), "damaged-file"),
        (document({**SMALL, "workers": []}), "damaged-file"),
        (document({**SMALL, "schema": "toril.summary/2"}), "other-version"),
        (b"{}", "other-version"),
    ],
)
def test_a_damaged_file_or_one_of_another_version_is_rejected(data, code):
    with refused(code, "runs/a/summary.json"):
        Summary.from_json(data, "runs/a/summary.json")


@pytest.mark.parametrize(
    "odd",
    [
        {"schema": "toril.summary/2"},
        {"duration_s": 10**16},
        {"labels": {"": {"samples": -1}}},
        {"labels": {"": {"samples": "7"}}},
        {"labels": {"": {"kind": "odd"}}},
        {"run_id": "x" * 10_001},
        {"generators": {"saturated": ["a"] * 2_001}},
    ],
)
def test_a_foreign_file_outside_the_bounds_is_rejected_as_a_summary(odd):
    assert Summary.from_stranger(document(SMALL), "summary.json").total.samples == 7
    with refused("damaged-file", "a/summary.json"):
        Summary.from_stranger(document({**SMALL, **odd}), "a/summary.json")
