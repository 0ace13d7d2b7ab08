"""Reading the records of a store's regions, and what a plan shows beside the division of the load."""

import pytest

from tests.launchers.fake_ecs import Clock
from tests.launchers.plans import plan_of
from tests.launchers.stage import REGION, deployment, plan
from tests.refusals import refused
from toril.errors import InfrastructureError, OptionError, StoreError
from toril.launchers.prepare import launcher_for, price_lines, read_deployments
from toril.store import FolderStore


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path)


def test_a_store_without_regions_is_an_error_with_the_fix(store):
    with refused("not-deployed", "deployments/<region>.json", "pulumi up", error=InfrastructureError):
        read_deployments(store)


def test_a_damaged_record_prevents_a_run_and_is_named(store):
    store.put(f"deployments/{REGION}.json", deployment().to_json())
    store.put("deployments/sa-east-1.json", b"{")
    with pytest.raises(StoreError) as caught:
        read_deployments(store)
    assert "sa-east-1" in str(caught.value)


def test_a_sweep_ignores_damaged_records_of_other_regions(store):
    store.put(f"deployments/{REGION}.json", deployment().to_json())
    store.put("deployments/sa-east-1.json", b"{")
    damaged: list[StoreError] = []
    assert set(read_deployments(store, damaged)) == {REGION}
    assert ["sa-east-1.json" in str(one) for one in damaged] == [True]


def test_a_task_on_fargate_starts_no_local_workers(store, monkeypatch):
    monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x")
    with refused("local-on-fargate", error=OptionError):
        launcher_for(plan().model_copy(update={"on": "local"}), store, {}, Clock())


def test_a_plan_warns_of_traffic_that_aws_may_shape_also_without_a_stack(tmp_path, store):
    surge = plan_of(tmp_path, executor="vegeta", concurrency=None, throughput=600_000, locations={"us-east-1": 1})
    (line,) = [one for one in price_lines(surge, store) if one.startswith("warning: ")]
    assert "us-east-1 traffic: up to 53 Gbit/s" in line
    assert "https://aws.amazon.com/ec2/testing/" in line
    assert not [one for one in price_lines(plan_of(tmp_path), store) if one.startswith("warning: ")]
