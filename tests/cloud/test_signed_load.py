"""Load signed for AWS meets the embedded cloud's IAM: what a role may do succeeds, all else is refused."""

import pytest

from tests.cloud.embedded import ACCOUNT
from tests.cloud.tasks import REGION, role
from tests.worker.driver import plan_of, planned, workers

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("strict")]

ECR = {"Content-Type": "application/x-amz-json-1.1"}
TARGET = "AmazonEC2ContainerRegistry_V20150921."


def call(label, action):
    headers = {**ECR, "X-Amz-Target": TARGET + action}
    return {"url": "/", "label": label, "method": "POST", "body": "{}", "headers": headers}


@pytest.mark.parametrize("engine", ["locust", "apiritif", "toril"])
def test_a_role_that_the_load_assumes_decides_about_each_request(engine, strict, tmp_path, monkeypatch):
    allowed = {"Effect": "Allow", "Action": "ecr:DescribeRepositories", "Resource": "*"}
    reader = role(strict, "reader", [allowed], {"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    for name, value in strict.environment().items():
        monkeypatch.setenv(name, value)
    sign = {"service": "ecr", "region": REGION, "role": reader}
    requests = [call("allowed", "DescribeRepositories"), call("refused", "DescribePullThroughCacheRules")]
    scenario = {"default-address": strict.url, "sign": sign, "requests": requests}
    plan = plan_of([planned(engine, "shop", concurrency=1, iterations=1)], {"shop": scenario})
    with workers(plan, tmp_path) as run:
        done = run.go()
    failures = {label: done.total(label).failures for label in ("allowed", "refused")}
    assert failures == {"allowed": 0, "refused": 1}, done.exits
