"""The price of a run, compared with manual calculations."""

import pytest

from tests.launchers.plans import AWAY, HOME, both, deployment_of, plan_of
from tests.refusals import refused
from toril.errors import OptionError
from toril.launchers.fargate import Rates
from toril.launchers.pricing import cost_of, estimate, hourly_usd, list_prices, peak_gbit_s, refuse_above
from toril.records import DeployedLimits, DeployedNetwork, RanTask

PRICES = list_prices()


def item(found, name):
    (one,) = [one for one in found.items if one.name == name]
    return one


def usd(found, name):
    amount = item(found, name).usd
    assert amount is not None
    return amount


def start_s(plan, there, **more):
    found = estimate(plan, there, PRICES, **more).start_s
    assert found is not None
    return found


def ran(seconds, *, region=HOME, capacity="FARGATE"):
    return RanTask(
        arn="arn",
        region=region,
        capacity=capacity,
        pull_started_at=1000.0,
        started_at=1010.0,
        stopped_at=1000 + seconds,
    )


def priced(plan, tasks, **more):
    asked = {"load_s": 600.0, "requests": None, "until": 5000.0, **more}
    return cost_of(plan, tasks, both(), PRICES, **asked)


def test_the_cost_of_tasks_follows_aws_list_prices_per_second(tmp_path):
    """Ten workers of 1 vCPU and 2 GB for ten minutes: 10 × (0.04048 + 2 × 0.004445) ÷ 6, and ten addresses."""
    found = priced(plan_of(tmp_path), {f"w-{n}": ran(600) for n in range(10)})
    assert usd(found, HOME) == pytest.approx(10 * (0.04048 + 2 * 0.004445) / 6)
    assert usd(found, "addresses") == pytest.approx(10 * 0.005 / 6)
    assert usd(found, "logs") == pytest.approx(0.01 * 0.5)


def test_an_hour_of_a_run_costs_what_its_tasks_and_addresses_cost(tmp_path):
    plan = plan_of(tmp_path)
    tasks = {share.worker: ran(3600, region=share.location) for share in plan.shares}
    found = priced(plan, tasks)
    parts = [one.usd or 0 for one in found.items if one.name in {*plan.locations, "addresses"}]
    assert hourly_usd(plan, both(), PRICES) == pytest.approx(sum(parts))


def test_each_task_is_billed_for_at_least_a_minute(tmp_path):
    plan = plan_of(tmp_path)
    assert usd(priced(plan, {"w": ran(5)}), HOME) == usd(priced(plan, {"w": ran(60)}), HOME)
    assert usd(priced(plan, {"w": ran(61)}), HOME) > usd(priced(plan, {"w": ran(60)}), HOME)


def test_a_task_without_an_end_is_billed_until_now_and_one_without_a_pull_is_free(tmp_path):
    plan = plan_of(tmp_path)
    endless = ran(600).model_copy(update={"stopped_at": None})
    assert usd(priced(plan, {"w": endless}, until=1600.0), HOME) == usd(priced(plan, {"w": ran(600)}), HOME)
    queued = ran(600).model_copy(update={"pull_started_at": None})
    assert priced(plan, {"w": ran(600), "v": queued}).workers == {HOME: 1}


def test_spot_tasks_cost_less_and_on_demand_fallbacks_cost_full_price(tmp_path):
    plan = plan_of(tmp_path)
    on_demand, spot = ran(600), ran(600, capacity="FARGATE_SPOT")
    whole = usd(priced(plan, {"a": on_demand, "b": on_demand}), HOME)
    mixed = item(priced(plan, {"a": on_demand, "b": spot}), HOME)
    assert mixed.usd == pytest.approx(whole / 2 * (1 + PRICES.spot))
    assert "Spot" in mixed.quantity


def test_an_estimate_bills_each_task_from_its_pull_to_its_end(tmp_path):
    found = estimate(plan_of(tmp_path), both(), PRICES)
    hourly, seconds = 0.04048 + 2 * 0.004445, usd(found, HOME)
    billed_s = seconds / hourly * 3600 / 5
    assert 600 < billed_s < 600 + 60
    assert found.workers == {HOME: 5, AWAY: 5}
    assert found.load_s == 600
    assert not found.at_most


def test_arm_is_cheaper_and_spot_has_a_note(tmp_path):
    usual = estimate(plan_of(tmp_path), both(), PRICES)
    arm = estimate(plan_of(tmp_path, worker={"arch": "arm64"}), both(), PRICES)
    spot = estimate(plan_of(tmp_path, worker={"spot": True}), both(), PRICES)
    assert usd(arm, HOME) == pytest.approx(usd(usual, HOME) * 0.8, rel=0.01)
    assert usd(spot, HOME) == pytest.approx(usd(usual, HOME) * PRICES.spot)
    assert any("Spot" in note for note in spot.notes)
    assert not usual.notes


UNLISTED = "ap-southeast-7"


def test_an_unlisted_region_has_no_price_and_a_note(tmp_path):
    plan = plan_of(tmp_path, locations={UNLISTED: 1, HOME: 1})
    found = estimate(plan, {}, PRICES)
    assert item(found, UNLISTED).usd is None
    assert (found.unpriced, found.complete, found.per_million_usd) == ((UNLISTED,), False, None)
    assert found.total_usd >= usd(found, HOME)
    (note,) = found.notes
    assert UNLISTED in note
    assert "TORIL_PRICES" in note
    assert hourly_usd(plan, {}, PRICES) is None


def test_the_price_of_x86_64_bounds_that_of_an_unlisted_arm64(tmp_path):
    place = {"eu-north-1": 1}
    usual = estimate(plan_of(tmp_path, locations=place), {}, PRICES)
    arm = estimate(plan_of(tmp_path, locations=place, worker={"arch": "arm64"}), {}, PRICES)
    assert (arm.unpriced, arm.at_most, len(arm.notes)) == ((), True, 1)
    assert (usual.at_most, usual.notes) == (False, ())
    assert arm.total_usd == usual.total_usd


def test_arm64_costs_less_in_each_region_that_lists_both():
    both_listed = [region for region in PRICES.regions.values() if region.lists("arm64") and region.lists("x86-64")]
    assert len(both_listed) > 5
    for prices in (one for region in both_listed for one in (region.vcpu_hour, region.gib_hour)):
        assert prices["arm64"] < prices["x86-64"]


def test_an_estimate_has_the_dates_of_its_regions_prices(tmp_path):
    old = PRICES.of("eu-north-1").as_of
    assert old < PRICES.of(HOME).as_of
    found = estimate(plan_of(tmp_path, locations={"eu-north-1": 1, HOME: 1}), {}, PRICES)
    assert found.as_of == f"{old} to {PRICES.of(HOME).as_of}"
    assert estimate(plan_of(tmp_path, locations={HOME: 1}), {}, PRICES).as_of == PRICES.of(HOME).as_of


def test_the_highest_traffic_of_a_region_is_its_peak_rate_with_both_directions(tmp_path):
    """1000 requests a second of 1 + 10 kB, half of them from each region."""
    half = pytest.approx(500 * 11_000 * 8 / 1e9)
    assert peak_gbit_s(plan_of(tmp_path), PRICES.assumed) == {HOME: half, AWAY: half}


def test_without_a_rate_the_engine_limits_the_traffic(tmp_path):
    """JMeter's safe rate is 3,000 requests a second of one core, half of its capacity."""
    found = peak_gbit_s(plan_of(tmp_path, throughput=None, worker={"cpu": 2048, "memory": 4096}), PRICES.assumed)
    assert found[HOME] == pytest.approx(5 * 2 * 6000 * 11_000 * 8 / 1e9)


def test_storage_above_20_gib_is_billed(tmp_path):
    found = estimate(plan_of(tmp_path, worker={"storage": 120}), both(), PRICES)
    hours = usd(found, HOME) / (0.04048 + 2 * 0.004445) * 2
    assert usd(found, "storage") == pytest.approx(hours * 100 * 0.000111, rel=0.01)
    assert not [one for one in estimate(plan_of(tmp_path), both(), PRICES).items if one.name == "storage"]


def test_a_private_network_pays_for_nat_in_both_directions_and_not_for_addresses(tmp_path):
    inside = DeployedNetwork(subnets=("s",), security_groups=("g",), public_addresses=False)
    found = estimate(plan_of(tmp_path), both(network=inside), PRICES)
    assert not [one for one in found.items if one.name == "addresses"]
    assert usd(found, "transfer") == pytest.approx(600_000 * (1000 * 0.09 + 11_000 * 0.045) / 1e9)
    assert "NAT" in item(found, "transfer").quantity


def test_the_price_per_million_requests_is_the_total_per_request(tmp_path):
    found = estimate(plan_of(tmp_path), both(), PRICES)
    assert found.requests == 600_000
    assert found.per_million_usd == pytest.approx(found.total_usd / 0.6)
    assert usd(found, "transfer") == pytest.approx(600_000 * 1000 * 0.09 / 1e9)


def test_a_ramp_up_counts_half_of_its_full_rate(tmp_path):
    found = estimate(plan_of(tmp_path, ramp_up="2m"), both(), PRICES)
    assert found.requests == 600_000 + 60_000


def test_without_a_throughput_the_transfer_price_is_unknown(tmp_path):
    found = estimate(plan_of(tmp_path, throughput=None), both(), PRICES)
    assert item(found, "transfer").usd is None
    assert found.per_million_usd is None
    assert not found.complete
    assert any("unknown" in line and "million" in line for line in found.lines())


def test_a_load_limited_only_by_iterations_is_priced_for_the_longest_duration(tmp_path):
    shorter = both(limits=DeployedLimits(vcpus=8, cost_usd=5, duration_s=1800))
    found = estimate(plan_of(tmp_path, throughput=None, iterations=5, hold_for=None), shorter, PRICES)
    assert (found.load_s, found.at_most) == (1800, True)
    assert "at most" in found.lines()[1]


def test_the_number_of_s3_requests_follows_the_pace(tmp_path):
    """Ten workers write an interval file every 5 s; they poll every second and read leases every 5 s."""
    found = usd(estimate(plan_of(tmp_path), both(), PRICES), "S3")
    puts, gets = 10 * 600 / 5, 10 * 600 * (1 + 1 / 5 + 1 / 5)
    assert found > puts * 0.005 / 1000 + gets * 0.0004 / 1000
    assert found < 2 * (puts * 0.005 / 1000 + gets * 0.0004 / 1000)


def test_the_start_time_depends_on_launch_rate_and_image_size(tmp_path):
    few = start_s(plan_of(tmp_path), both())
    many = plan_of(tmp_path, workers=400, concurrency=1000, locations={HOME: 1})
    slow, fast = Rates(25.0, 5.0), Rates(1000.0, 20.0)
    assert 20 < few < 60
    assert start_s(many, both(), rates={HOME: slow}) - few == pytest.approx(375 / 5, abs=3)
    assert start_s(many, both(), rates={HOME: fast}) - few == pytest.approx(400 / 32, abs=3)
    heavy = deployment_of(HOME)
    light = heavy.model_copy(
        update={"workers": tuple(one.model_copy(update={"flavour": "slim"}) for one in heavy.workers)}
    )
    there = plan_of(tmp_path, executor="locust", throughput=None, locations={HOME: 1})
    assert start_s(there, {HOME: heavy}) > start_s(there, {HOME: light}) + 10


def test_the_lines_show_workers_per_region_price_date_and_sum(tmp_path):
    found = estimate(plan_of(tmp_path), both(), PRICES)
    start, first, *items, total, million = found.lines()
    assert f"5 in {HOME}, 5 in {AWAY}" in start
    assert f"about {found.start_s:.0f} s" in start
    assert found.as_of in first
    assert len(items) == len(found.items)
    assert f"{found.total_usd:.3f}" in total
    assert "a million requests" in million


def test_a_run_above_the_maximum_cost_is_refused_with_its_dearest_item(tmp_path):
    found = estimate(plan_of(tmp_path), both(), PRICES)
    refuse_above(found, None)
    refuse_above(found, found.total_usd)
    dearest = max(found.items, key=lambda one: one.usd or 0)
    with refused("over-max-cost", "--max-cost 0.01", f"{found.total_usd:.3f}", dearest.name, error=OptionError):
        refuse_above(found, 0.01)


def test_a_run_without_a_price_is_refused_if_its_cost_is_limited(tmp_path):
    found = estimate(plan_of(tmp_path, locations={UNLISTED: 1}), {}, PRICES)
    refuse_above(found, None)
    with refused("unknown-price", "--max-cost 1000", UNLISTED, "TORIL_PRICES", error=OptionError):
        refuse_above(found, 1000)
