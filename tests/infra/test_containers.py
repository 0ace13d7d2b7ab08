"""The worker's container, in the form that ECS gives back."""

import json
from typing import Any

import pytest

from infra.registry.images import Image
from infra.workers.containers import LogTarget, definition, environment
from tests.infra.regions import secret

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


def test_a_task_has_the_most_time_to_end_and_the_most_sockets_that_fargate_allows():
    found = container()
    assert found["stopTimeout"] == 120
    assert found["ulimits"] == [{"name": "nofile", "softLimit": 1_048_576, "hardLimit": 1_048_576}]


def test_pid_1_is_the_images_own_guard_which_enforces_the_deadline():
    assert container()["linuxParameters"] == {"initProcessEnabled": False}


@pytest.mark.parametrize("key", ["cpu", "portMappings", "systemControls", "volumesFrom"])
def test_what_ecs_would_fill_in_is_spelt_out(key):
    assert container()[key] in (0, [])


def test_the_order_of_variables_changes_nothing():
    one = definition(IMAGE, {"A": "1", "B": "2"}, LOGS)
    assert one == definition(IMAGE, {"B": "2", "A": "1"}, LOGS)


def test_logs_never_stop_the_load_unless_they_are_told_to():
    def options(blocking: bool) -> Any:
        return container(logs=LogTarget(group="g", region="r", blocking=blocking))["logConfiguration"]["options"]

    assert (options(False)["mode"], options(False)["max-buffer-size"]) == ("non-blocking", "10m")
    assert options(True)["mode"] == "blocking" and "max-buffer-size" not in options(True)
    assert "awslogs-create-group" not in options(False)


def test_only_a_registry_with_a_login_gets_one():
    assert "repositoryCredentials" not in container()
    found = container(Image(uri="x", digest=None, credentials=secret()))
    assert found["repositoryCredentials"] == {"credentialsParameter": secret()}


def test_workers_know_store_and_region_and_over_fips_to_use_it():
    usual = environment("s3://results", "us-east-1", fips=False)
    assert (usual["TORIL_STORE"], usual["AWS_REGION"]) == ("s3://results", "us-east-1")
    assert "AWS_USE_FIPS_ENDPOINT" not in usual
    assert environment("s3://results", "us-east-1", fips=True) == {**usual, "AWS_USE_FIPS_ENDPOINT": "true"}
