"""The criterion on the price of a million requests of the service, and the tables of its cost."""

from dataclasses import replace

import pytest

from tests.measured import good, judged_ours, plan_of
from tests.reports import examples, gallery
from toril.records.summary import Capacity, CapacityStage, ServiceCost, ServiceItem
from toril.reports import Bundle
from toril.reports.run_tables import cost_tables
from toril.verdict.evidence import Gap, MissingData

TASKS = ServiceItem(
    resource="arn:aws:ecs:us-east-1:123456789012:service/shop/web",
    kind="ecs-service",
    what="4 × 1 vCPU, 2 GiB, x86-64",
    usd_hour=0.2,
    grows_with="tasks",
    tasks=4.0,
)
BALANCER = ServiceItem(resource="arn:x:y:z:1:loadbalancer/app/a/1", kind="load-balancer", what="hours", usd_hour=0.04)
UNITS = replace(BALANCER, what="20 LCU", usd_hour=0.16, grows_with="requests")
UNKNOWN = ServiceItem(resource="arn:x:y:z:1:cache", kind="cache", what="cache", message="no listed price for `c/d`")
COST = ServiceCost(as_of="2026-09-11", hours=0.5, requests=500_000, items=(TASKS, BALANCER, UNITS))  # $0.40 a million


def outcome(criterion, cost, missing=None):
    found = judged_ours(criterion, good(), cost=cost, missing=missing)
    return found.outcome, found.code


@pytest.mark.parametrize(
    ("criterion", "found"),
    [("cost-per-million>0.39", ("failed", "breach")), ("cost-per-million>0.40", ("passed", "kept"))],
)
def test_the_price_of_a_million_requests_is_judged(criterion, found):
    assert COST.per_million_usd == pytest.approx(0.4)
    assert outcome(criterion, replace(COST, requests=500_001)) == found


@pytest.mark.parametrize("cost", [None, replace(COST, items=(TASKS, UNKNOWN)), replace(COST, requests=0)])
def test_a_service_without_a_known_price_is_inconclusive(cost):
    assert outcome("cost-per-million>0.01", cost) == ("inconclusive", "not-priced")


def test_missing_requests_may_undo_a_breach_but_not_a_pass():
    missing = MissingData(plan_of(), gaps=(Gap("local-1", 5, 9),))
    assert outcome("cost-per-million>0.1", COST, missing) == ("inconclusive", "breach-may-not-stand")
    assert outcome("cost-per-million>1", COST, missing) == ("passed", "kept")


def test_the_table_names_each_part_and_what_has_no_price():
    known, unknown = (
        next(cost_tables(gallery_run(service_cost=replace(COST, items=items))))
        for items in (COST.items, (TASKS, UNKNOWN))
    )
    assert known.message == "$0.400 for a million requests"
    assert [row.cells[2].text for row in unknown.rows] == ["$0.200", "not priced"]
    assert unknown.rows[1].cells[1].text == UNKNOWN.message


def gallery_run(**summary) -> Bundle:
    run = gallery.run("passed")
    return replace(run, summary=replace(examples.summary(), **summary))


def test_a_search_shows_tasks_and_price_of_each_sustained_rate():
    """At half of the rate that four tasks sustain, two suffice: 0.10 + 0.04 + half of the units of 277.8/s."""
    stages = [
        CapacityStage(rps=rps, outcome="held", from_s=0, to_s=10, samples=int(10 * rps)) for rps in (100.0, 200.0)
    ]
    search = Capacity(held_rps=200.0, breached_rps=210.0, exact=True, stages=tuple(stages))
    run = gallery_run(service_cost=COST, capacity={"buy": search})
    _, table = cost_tables(run)
    assert [cell.text for cell in table.rows[0].cells[:2]] == ["100/s", "2"]
    units = 0.16 * 100 / (500_000 / 1800)
    assert table.rows[0].cells[2].text == f"${0.1 + 0.04 + units:.3f}"
    scaled = replace(COST, items=(replace(TASKS, tasks=3.4),))
    assert len(list(cost_tables(gallery_run(service_cost=scaled, capacity={"buy": search})))) == 1
