"""Limits of control groups, in both versions, inside and outside of a container."""

from pathlib import Path

import pytest

from toril.engines.cgroup import ControlGroup


def tree(folder: Path, memberships: str, files: dict[str, str]) -> ControlGroup:
    (folder / "memberships").write_text(memberships)
    for name, text in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return ControlGroup.own(folder / "memberships", folder / "cgroup")


def test_version_2_in_a_container_is_the_top_of_the_tree(tmp_path: Path) -> None:
    group = tree(
        tmp_path,
        "0::/\n",
        {
            "cpu.max": "150000 100000\n",
            "memory.max": "2147483648\n",
            "cpu.stat": "usage_usec 7500000\nuser_usec 1\nnr_periods 9\nnr_throttled 2\nthrottled_usec 1250000\n",
        },
    )
    assert (group.cores, group.memory_bytes) == (1.5, 2 << 30)
    assert (group.throttled_s(), group.used_s()) == (1.25, 7.5)


def test_a_limit_of_an_outer_group_holds_together_with_its_counters(tmp_path: Path) -> None:
    group = tree(
        tmp_path,
        "0::/ci/job/step\n",
        {
            "ci/job/step/cpu.max": "max 100000\n",
            "ci/job/step/cpu.stat": "usage_usec 1\nthrottled_usec 0\n",
            "ci/job/cpu.max": "200000 100000\n",
            "ci/job/cpu.stat": "usage_usec 8000000\nthrottled_usec 3000000\n",
            "ci/cpu.max": "400000 100000\n",
            "ci/job/step/memory.max": "max\n",
            "ci/memory.max": "1000\n",
        },
    )
    assert (group.cores, group.memory_bytes) == (2.0, 1000)
    assert (group.throttled_s(), group.used_s()) == (3.0, 8.0)


def test_without_limits_there_are_none(tmp_path: Path) -> None:
    files = {"user/cpu.max": "max 100000\n", "user/memory.max": "max\n", "user/cpu.stat": "usage_usec 5\n"}
    group = tree(tmp_path, "0::/user\n", files)
    assert (group.cores, group.memory_bytes, group.throttled_s()) == (None, None, None)


def test_version_1_has_a_tree_for_each_controller(tmp_path: Path) -> None:
    group = tree(
        tmp_path,
        "9:memory:/box\n4:cpu,cpuacct:/box\n0::/\n",
        {
            "cpu/box/cpu.cfs_quota_us": "50000\n",
            "cpu/box/cpu.cfs_period_us": "100000\n",
            "cpu/box/cpu.stat": "nr_periods 3\nnr_throttled 1\nthrottled_time 2500000000\n",
            "cpu/box/cpuacct.usage": "1500000000\n",
            "memory/box/memory.limit_in_bytes": "1048576\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert (group.cores, group.memory_bytes) == (0.5, 1 << 20)
    assert (group.throttled_s(), group.used_s()) == (2.5, 1.5)


@pytest.mark.parametrize("memberships", ["", "0::/\n", "4:cpu:/box\n"])
def test_limits_are_unknown_without_control_groups(tmp_path: Path, memberships: str) -> None:
    group = tree(tmp_path, memberships, {})
    assert (group.cores, group.memory_bytes, group.throttled_s(), group.used_s()) == (None, None, None, None)


def test_files_with_other_contents_are_not_limits(tmp_path: Path) -> None:
    group = tree(tmp_path, "0::/\n", {"cpu.max": "lots\n", "memory.max": "-5\n", "cpu.stat": "throttled_usec none\n"})
    assert (group.cores, group.memory_bytes, group.throttled_s()) == (None, None, None)
