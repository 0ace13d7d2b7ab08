from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.duets import BASE_URL, HEAD_URL, SUITE, SWITCHED, planned
from tests.refusals import refused
from toril.plan import share_config
from toril.plan.duet import plan_duet
from toril.plan.options import RunOptions
from toril.records import BASE, HEAD

SCRIPTED = """
execution:
- {scenario: pages, executor: apiritif, concurrency: 6, ramp-up: 10s, hold-for: 60s, locations: {a: 1, b: 2}}
- {scenario: own, executor: locust, concurrency: 3, delay: 30s, hold-for: 30s}
scenarios:
  pages: {default-address: "${SHOP_URL}", requests: [/]}
  own: {default-address: "${SHOP_URL}", script: own.py}
settings:
  env: {API: "${SHOP_URL}/api", OTHER: thing}
"""
JMETER = """
execution: {scenario: load.jmx, executor: jmeter, concurrency: 2, hold-for: 20s}
scenarios:
  load.jmx: {default-address: "${SHOP_URL}", script: load.jmx}
modules:
  jmeter: {properties: {shop: "${SHOP_URL}/x", other: 1}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("suite")
    (made / "own.py").write_text("from locust import HttpUser\n")
    (made / "load.jmx").write_text("<jmeterTestPlan/>")
    return made


@given(
    blocks=st.integers(4, 30), hold_s=st.integers(1, 4000), ramp_up_s=st.integers(0, 600), delay_s=st.integers(0, 90)
)
def test_each_arm_has_the_suites_load_for_the_suites_hold(
    folder: Path, blocks: int, hold_s: int, ramp_up_s: int, delay_s: int
) -> None:
    text = SUITE.replace("hold-for: 40s", f"hold-for: {hold_s}s, ramp-up: {ramp_up_s}s, delay: {delay_s}s")
    plan = planned(folder, text, blocks=blocks)
    for arm in (BASE, HEAD):
        copies = [one for one in plan.executions if one.arm == arm]
        assert len(copies) == blocks and {one.concurrency for one in copies} == {4}
        held_s = sum(one.hold_for_s for one in copies)
        assert hold_s <= held_s < hold_s + 5 * blocks + blocks
        assert bool(ramp_up_s) == all(one.ramp_up_s >= 1 for one in copies)


@given(blocks=st.integers(4, 30), run_id=st.from_regex("[a-z]{1,8}", fullmatch=True))
def test_pairs_are_balanced_and_turns_do_not_overlap(folder: Path, blocks: int, run_id: str) -> None:
    plan = planned(folder, SCRIPTED, blocks=blocks, run_id=run_id)
    assert plan.duet is not None
    pairs = [plan.duet.order[2 * pair : 2 * pair + 2] for pair in range(blocks)]
    assert abs(pairs.count("AB") - pairs.count("BA")) <= 1
    turns = list(plan.duet.turns())
    assert sorted((turn.arm, turn.block) for turn in turns) == [(a, b) for a in (1, 2) for b in range(1, blocks + 1)]
    for turn, following in pairwise(turns):
        assert following.starts_s == turn.ends_s + plan.duet.gap_s
    for copy in plan.executions:
        (turn,) = (one for one in turns if (one.arm, one.block) == (copy.arm, copy.block))
        assert turn.starts_s <= copy.delay_s and copy.steady_to_s <= turn.ends_s


def test_the_run_id_or_the_seed_decides_the_order(folder: Path) -> None:
    ids = [
        one.duet.order[:2] for n in range(20) if (one := planned(folder, run_id=f"run-{n}", seed=None)).duet is not None
    ]
    assert set(ids) == {"AB", "BA"}
    seeded = [planned(folder, run_id=f"run-{n}", seed=n % 2).duet for n in range(4)]
    assert [one.seed for one in seeded if one is not None] == [0, 1, 0, 1]
    assert len({one.order for one in seeded if one is not None}) == 2


def test_each_copy_has_a_name_and_the_series_of_its_execution(folder: Path) -> None:
    plan = planned(folder, SCRIPTED)
    assert len({one.name for one in plan.executions}) == len(plan.executions) == 16
    assert {one.series for one in plan.executions} == {"pages", "own"}
    assert {one.execution for share in plan.shares for one in share.executions} == {one.name for one in plan.executions}


def test_each_arms_address_reaches_its_requests_and_its_scripts(folder: Path) -> None:
    plan = planned(folder, SCRIPTED)
    arms = {one.name: one.arm for one in plan.executions}
    for share in plan.shares:
        config = share_config(plan, share)
        for part, item in zip(share.executions, config["execution"], strict=True):
            address = {BASE: BASE_URL, HEAD: HEAD_URL}[arms[part.execution]]
            assert config["scenarios"][item["scenario"]]["default-address"] == address
            assert item["env"] == {"SHOP_URL": address, "API": f"{address}/api"}


def test_jmeters_properties_contain_the_address_of_their_arm(folder: Path) -> None:
    scenarios = planned(folder, JMETER).common["scenarios"]
    assert scenarios["load.jmx of base"]["properties"] == {"shop": f"{BASE_URL}/x"}
    assert scenarios["load.jmx of head"]["properties"] == {"shop": f"{HEAD_URL}/x"}


def test_only_engines_of_the_first_turn_start_before_the_run(folder: Path) -> None:
    plan = planned(folder)
    assert plan.duet is not None
    assert [one.lead_s is None for one in plan.executions] == [True, *[False] * 7]
    assert all((one.lead_s or 0) < plan.duet.gap_s for one in plan.executions)


def test_the_gap_grows_with_the_engines_that_start_in_it(folder: Path) -> None:
    limited = JMETER.replace("concurrency: 2", "concurrency: 2, throughput: 5")
    line = "{scenario: load.jmx, executor: jmeter, concurrency: 2, throughput: 5, hold-for: 20s}"
    twice = limited.replace(line, f"[{line}, {line}]")
    gaps = [plan.duet.gap_s for text in (SUITE, limited, twice) if (plan := planned(folder, text)).duet is not None]
    assert gaps[0] < gaps[1] < gaps[2]


def test_requests_in_flight_end_before_the_next_turn_begins(folder: Path) -> None:
    plan = planned(folder)
    assert plan.duet is not None and plan.graceful_stop_s == plan.duet.gap_s


def test_the_command_overrides_the_suite_and_the_suite_the_defaults(folder: Path) -> None:
    said = f"{SUITE}toril: {{regression: {{blocks: 6, margin: 7%, block: 2s, labels: [home]}}}}\n"
    found = [planned(folder, *text, **options).duet for text, options in (
        ((), {"blocks": None}), ((said,), {"blocks": None}), ((said,), {"blocks": 5, "margin": 0.01}),
    )]  # fmt: skip
    assert [(one.blocks, one.margin, one.block_s, one.labels) for one in found if one is not None] == [
        (30, 0.03, 5.0, ()),
        (6, 0.07, 2.0, ("home",)),
        (5, 0.01, 2.0, ("home",)),
    ]


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        (("hold-for: 40s", "iterations: 5"), "missing-key", "hold-for"),
        (("hold-for: 40s", "hold-for: 40s, iterations: 5"), "unsupported-in-duet", "iterations"),
        (("scenarios:", "modules: {local: {sequential: true}}\nscenarios:"), "unsupported-in-duet", "modules.local"),
    ],
)
def test_suites_without_turns_are_rejected(folder: Path, change: tuple[str, str], code: str, named: str) -> None:
    with refused(code, named):
        planned(folder, SUITE.replace(*change))


def test_too_many_blocks_are_rejected(folder: Path) -> None:
    several = "".join(f"- {{scenario: shop, executor: locust, hold-for: {n}s}}\n" for n in range(40, 43))
    with refused("too-many-blocks", "51", "50"):
        planned(folder, SUITE.replace("scenarios:", f"{several}scenarios:", 1), blocks=51)


def test_a_duet_longer_than_max_duration_is_rejected(folder: Path) -> None:
    assert planned(folder, f"{SUITE}toril: {{max-duration: 101s}}\n").duration_s == 101
    assert "short-max-duration" not in planned(folder, f"{SUITE}toril: {{max-duration: 101s}}\n").warning_codes
    with refused("short-max-duration", "100 s", "101 s"):
        planned(folder, f"{SUITE}toril: {{max-duration: 100s}}\n")


@pytest.mark.parametrize("halved", [False, True])
def test_a_duet_of_the_default_length_fits_into_max_duration(folder: Path, halved: bool) -> None:
    asked = SWITCHED + "toril: {max-duration: 100s}\n"
    plan = planned(folder, asked, blocks=None, halved=halved)
    assert plan.duet is not None and plan.duration_s is not None
    assert (plan.duet.blocks, plan.duration_s <= 100) == (21, True)
    assert plan.warning_codes[0] == "short-max-duration"
    with refused("short-max-duration", "60 s"):
        planned(folder, asked.replace("100s}", "60s, regression: {time: 5m}}"), blocks=None)


def test_workers_on_fargate_report_each_second(folder: Path) -> None:
    (folder / "suite.yml").write_text(SUITE.replace("hold-for: 40s", "hold-for: 40s, locations: {us-east-1: 1}"))
    options = RunOptions(on="fargate")
    _, plan = plan_duet([folder / "suite.yml"], options, 0.0, base=BASE_URL, head=HEAD_URL)
    assert plan.duet is not None and (plan.on, plan.pace.flush_s) == ("fargate", 1.0)


def test_credentials_of_an_address_are_not_shown(folder: Path) -> None:
    plan = planned(folder, head="http://joe:hunter2@head.example")
    assert plan.duet is not None and "hunter2" not in plan.duet.model_dump_json()


def test_a_criterion_on_servers_gets_a_note(folder: Path) -> None:
    asked = "{subject: ecs-cpu, cluster: shop, service: web, condition: '>', threshold: 80%}"
    plan = planned(
        folder, f"{SUITE}reporting: [{{module: passfail, criteria: [fail>1%]}}]\ntoril: {{criteria: [{asked}]}}\n"
    )
    assert len(plan.criteria) == 2 and plan.warning_codes == (
        "restarted-engines", "both-arms-in-periods", "two-hosts"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("base", "head", "noted"),
    [
        ("http://a.example:8001", "http://b.example:8001", True),
        ("http://a.example:8001", "http://A.example:8002", False),
        ("http://localhost:8001", "http://127.0.0.1:8002", False),
        ("http://[::1]:8001", "http://10.0.0.1:8002", True),
    ],
)
def test_two_hosts_are_noted_unless_they_are_exchanged(folder: Path, base: str, head: str, noted: bool) -> None:
    assert ("two-hosts" in planned(folder, base=base, head=head).warning_codes) == noted
    assert "two-hosts" not in planned(folder, base=base, head=head, halved=True).warning_codes
    for exchanged, wider in ((False, noted), (True, False)):
        duet = planned(folder, base=base, head=head, halved=exchanged).duet
        assert duet is not None and duet.two_hosts == wider
