"""A region's record for launchers."""

from typing import Any

from infra.place import Place
from infra.publish import Decided, Made, deployment
from infra.registry.hosts import PrivateRegistry
from infra.registry.images import OwnRegistry, resolve
from infra.settings import RegionSettings
from infra.workers.task_definitions import kinds
from tests.infra.regions import ACCOUNT, hub, place, settings
from toril import __version__
from toril.records.deployment import DeployedTargets, Deployment

DIGEST = "sha256:" + "ab" * 32


def published(where: Place | None = None, **found: Any) -> Deployment:
    where = where or place()
    wanted: RegionSettings = settings(**found)
    home = PrivateRegistry(ACCOUNT, where.region)
    own = OwnRegistry(home=home, worker_repository="toril/worker", caches=wanted.caches, fips=wanted.fips)
    kinds_of = tuple(kinds(wanted, {name: resolve(name, one, own) for name, one in wanted.flavours.items()}))
    decided = Decided(
        settings=wanted,
        place=where,
        hub=hub(),
        kinds=kinds_of,
        caches=(),
        targets=DeployedTargets(hosts=wanted.targets.hosts),
        internet=True,
        public_addresses=True,
    )
    made = Made(
        cluster="cluster",
        subnets=["subnet-a", "subnet-b"],
        security_group="sg-a",
        task_definitions=[f"{one.flavour}-{one.architecture}:1" for one in kinds_of],
        log_group="/toril/main/workers",
        execution_role="execution",
        worker_role="worker",
    )
    return deployment(decided, made)


def test_a_launcher_can_read_the_published_record():
    found = published()
    assert Deployment.from_json(found.to_json(), "deployments/us-east-1.json") == found
    assert (found.toril_version, found.environment, found.region) == (__version__, "main", "us-east-1")
    assert (found.store, found.store_region) == (f"s3://toril-{ACCOUNT}-us-east-1", "us-east-1")
    assert found.network.security_groups == ("sg-a",)


def test_the_record_has_a_worker_for_each_flavour_and_architecture():
    found = published(flavours={"slim": {"digest": DIGEST}, "old": {"architectures": ["x86-64"]}})
    assert [(one.flavour, one.architecture, one.task_definition) for one in found.workers] == [
        ("old", "x86-64", "old-x86-64:1"),
        ("slim", "arm64", "slim-arm64:1"),
        ("slim", "x86-64", "slim-x86-64:1"),
    ]
    assert {one.flavour: one.digest for one in found.workers} == {"old": None, "slim": DIGEST}


def test_the_record_has_the_tag_of_a_cached_image_beside_its_digest():
    flavours = {"own": {"digest": DIGEST}, "slim": {"image": "quay.io/acme/worker:2", "digest": DIGEST}}
    found = published(caches=["quay"], flavours=flavours)
    assert {one.flavour: (one.digest, one.tag) for one in found.workers} == {
        "own": (DIGEST, None),
        "slim": (DIGEST, "2"),
    }


def test_limits_and_targets_are_those_of_the_settings():
    found = published(limits={"vcpus": 8, "costUsd": 2, "durationS": 600}, targets={"hosts": ["shop.example.com"]})
    assert (found.limits.vcpus, found.limits.cost_usd, found.limits.duration_s) == (8, 2, 600)
    assert found.targets.hosts == ("shop.example.com",)


def test_the_record_has_hosts_only_with_fips():
    assert published().endpoints == {}
    found = published(fips=True)
    assert found.endpoints["ecs"] == "ecs-fips.us-east-1.amazonaws.com"
    assert found.endpoints["s3"] == "s3-fips.us-east-1.amazonaws.com"
    assert "monitoring" in published(fips=True, idleAlarm=False).endpoints  # launchers read the vCPU in use
    assert all("dkr.ecr-fips." in worker.image for worker in found.workers)
