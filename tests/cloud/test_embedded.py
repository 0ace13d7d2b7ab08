"""The embedded cloud itself: start, end, reset and unknown operations."""

import signal
import subprocess
import sys
import time
import urllib.error

import pytest

from tests.cloud.embedded import ROOT
from tests.cloud.refused import refused

HOLDING = """
import time
from tests.cloud.embedded import embedded_cloud
with embedded_cloud() as cloud:
    print(cloud.url, flush=True)
    time.sleep(60)
"""


def test_the_server_ends_with_the_process_that_started_it():
    holder = subprocess.Popen([sys.executable, "-c", HOLDING], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    url = holder.stdout.readline().strip()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        try:
            urllib.request.urlopen(f"{url}/_ministack/health", timeout=5).close()
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail("the server is still running")


def test_a_reset_removes_everything_and_services_still_work(cloud):
    cloud.client("ecr").create_repository(repositoryName="one")
    cloud.client("ecr-public").create_repository(repositoryName="one")
    cloud.set_quota("us-east-1", "L-3032A538", 100)
    cloud.reset()
    assert cloud.client("ecr").describe_repositories()["repositories"] == []
    assert cloud.client("ecr-public").describe_repositories()["repositories"] == []
    quotas = cloud.client("service-quotas")
    assert quotas.get_service_quota(ServiceCode="fargate", QuotaCode="L-3032A538")["Quota"]["Value"] == 6


def test_mending_ends_faults_and_keeps_resources(cloud):
    ecr, ecs = cloud.client("ecr"), cloud.client("ecs")
    ecr.create_repository(repositoryName="one")
    cloud.set_quota("us-east-1", "L-3032A538", 100)
    cloud.fail_next("ecr", "DescribeRepositories", times=5)
    cloud.mend()
    assert [one["repositoryName"] for one in ecr.describe_repositories()["repositories"]] == ["one"]
    assert ecs.list_clusters()["clusterArns"] == []
    quotas = cloud.client("service-quotas")
    assert quotas.get_service_quota(ServiceCode="fargate", QuotaCode="L-3032A538")["Quota"]["Value"] == 6


def test_an_unknown_operation_is_an_error(cloud):
    with refused("InvalidAction"):
        cloud.client("ecr").start_lifecycle_policy_preview(repositoryName="one")
    with refused("UnknownOperationException"):
        cloud.client("ecr-public").initiate_layer_upload(repositoryName="one")


def test_quotas_are_set_for_a_region(cloud):
    cloud.set_quota("eu-west-1", "L-3032A538", 1000)
    asked = {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"}
    assert cloud.client("service-quotas", "eu-west-1").get_service_quota(**asked)["Quota"]["Value"] == 1000
    assert cloud.client("service-quotas", "us-east-1").get_service_quota(**asked)["Quota"]["Value"] == 6
    assert len(cloud.client("service-quotas").list_service_quotas(ServiceCode="fargate")["Quotas"]) == 6
    with refused("NoSuchResourceException"):
        cloud.client("service-quotas").get_service_quota(ServiceCode="fargate", QuotaCode="L-00000000")
