"""Tiers of the tests: a folder sets the tier, and a marker on a test overrides it."""

import pytest

from tests.tiers import FOLDERS, LASTING, NIGHTLY, QUICK, is_nightly, may_hold, tier_of_path, tier_of_test


@pytest.mark.parametrize(
    ("path", "marks", "tier"),
    [
        ("tests/test_plan.py", [], "unit"),
        ("tests/test_plan.py", ["parametrize", "live"], "live"),
        ("tests/end_to_end/test_run.py", [], "live"),
        ("tests/end_to_end/test_saturation.py", ["nightly", "solo"], "solo"),
        ("tests/engines/test_jmeter.py", ["solo", "live"], "solo"),
    ],
)
def test_a_marker_overrides_the_folder(path, marks, tier):
    assert tier_of_test(path, marks) == tier


def test_a_file_is_imported_only_for_the_tiers_of_its_folder_and_markers(tmp_path):
    file = tmp_path / "test_some.py"
    file.write_text("@pytest.mark.solo\n")
    path = "tests/worker/test_some.py"
    assert [tier for tier in ("unit", "live", "solo") if may_hold(file, path, tier)] == ["unit", "solo"]


def test_a_folder_or_a_marker_makes_a_test_nightly():
    assert is_nightly("tests/cloud/test_ecs.py", set())
    assert is_nightly("tests/test_plan.py", {"nightly"})
    assert not is_nightly("tests/cloudy/test_ecs.py", {"live"})


def test_every_listed_folder_exists(request):
    lasting = (name for names in LASTING.values() for name in names)
    assert [
        name for name in (*FOLDERS, *NIGHTLY, *QUICK, *lasting) if not (request.config.rootpath / name).exists()
    ] == []
    assert {tier_of_path(name) for name in QUICK} == {"unit"}
