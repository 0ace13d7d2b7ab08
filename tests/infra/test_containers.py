"""The worker's container, in the form that ECS returns."""

import json
from typing import Any

import pytest

from infra.registry.images import Image
from infra.workers.containers import LogTarget, definition, environment
from tests.infra.regions import secret
from toril.suite.engines import ENGINES

LOGS = LogTarget(group="/toril/main/workers", region="us-east-1", blocking=False)
IMAGE = Image(uri="registry/worker@sha256:00", digest="sha256:00")


def container(image: Image = IMAGE, logs: LogTarget = LOGS, **variables: str) -> dict[str, Any]:
    (only,) = json.loads(definition(image, variables, logs))
    return dict(only)


def test_the_root_file_system_is_read_only_and_the_user_is_not_root():
    found = container()
    assert found["readonlyRootFilesystem"] is True
    assert found["user"] == "10001:10001"
    writable = {one["containerPath"] for one in found["mountPoints"] if not one["readOnly"]}
    assert writable == {"/tmp", "/home/toril"}


def test_a_task_has_fargates_longest_stop_timeout_and_most_open_files():
    found = container()
    assert found["stopTimeout"] == 120
    assert found["ulimits"] == [{"name": "nofile", "softLimit": 1_048_576, "hardLimit": 1_048_576}]


def test_a_task_has_more_local_ports_than_the_planner_gives_users_to_a_worker():
    (control,) = container()["systemControls"]
    first, last = map(int, control["value"].split())
    assert control["namespace"] == "net.ipv4.ip_local_port_range"
    assert last - first + 1 > max(rules.users_per_worker or 0 for rules in ENGINES.values())


def test_ecs_adds_no_init_process_beside_the_images_pid1():
    assert container()["linuxParameters"] == {"initProcessEnabled": False}


@pytest.mark.parametrize("key", ["cpu", "portMappings", "volumesFrom"])
def test_defaults_of_ecs_are_written_out(key):
    assert container()[key] in (0, [])


def test_the_order_of_variables_changes_nothing():
    one = definition(IMAGE, {"A": "1", "B": "2"}, LOGS)
    assert one == definition(IMAGE, {"B": "2", "A": "1"}, LOGS)


def test_logs_block_the_load_only_if_the_settings_say_so():
    def options(blocking: bool) -> Any:
        return container(logs=LogTarget(group="g", region="r", blocking=blocking))["logConfiguration"]["options"]

    assert (options(False)["mode"], options(False)["max-buffer-size"]) == ("non-blocking", "10m")
    assert options(True)["mode"] == "blocking" and "max-buffer-size" not in options(True)
    assert "awslogs-create-group" not in options(False)


def test_only_a_registry_with_a_login_gets_credentials():
    assert "repositoryCredentials" not in container()
    found = container(Image(uri="x", digest=None, credentials=secret()))
    assert found["repositoryCredentials"] == {"credentialsParameter": secret()}


def test_workers_get_store_regions_and_fips_as_variables():
    usual = environment("s3://results", "eu-west-1", store_region="us-east-1", fips=False)
    assert (usual["TORIL_STORE"], usual["AWS_REGION"]) == ("s3://results", "eu-west-1")
    assert usual["TORIL_STORE_REGION"] == "us-east-1"
    assert "AWS_USE_FIPS_ENDPOINT" not in usual
    over_fips = environment("s3://results", "eu-west-1", store_region="us-east-1", fips=True)
    assert over_fips == {**usual, "AWS_USE_FIPS_ENDPOINT": "true"}
