"""Tasks as containers of pushed images, with Fargate's limits, files and stop reasons."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.cloud import oci
from tests.cloud.embedded import ACCOUNT, Cloud, embedded_cloud
from tests.cloud.oci import Registry
from tests.cloud.shell_image import USER, shell_image
from tests.cloud.tasks import IMAGE, REGION, Place, place, role

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("containers")]

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
CREDENTIALS = """
exec 3<>/dev/tcp/127.0.0.1/${AWS_CONTAINER_CREDENTIALS_FULL_URI:17:5}
path=${AWS_CONTAINER_CREDENTIALS_FULL_URI:22}
printf 'GET %s HTTP/1.0\\r\\nAuthorization: %s\\r\\n\\r\\n' "$path" "$AWS_CONTAINER_AUTHORIZATION_TOKEN" >&3
while read -r line <&3; do echo "$line"; done; echo "$line"
"""
GRACEFUL = "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done"


@pytest.fixture
def here(real) -> Place:
    return place(real)


def registry(cloud: Cloud, region: str = REGION) -> Registry:
    return Registry(cloud.registry(region), cloud.registry_login(region))


@pytest.fixture
def image(real, here) -> str:
    """A pushed shell image, by its digest."""
    digest = registry(real).push("toril/worker", shell_image(Entrypoint=["/bin/bash", "-c"], Env=["PATH=/bin"]), "1")
    return f"{IMAGE.rpartition(':')[0]}@{digest}"


def define(here: Place, script: str, image: str, **more) -> str:
    return here.define("one", "", image=image, command=[script], **more)


def test_a_container_follows_its_definition(real, here, image):
    script = 'echo "$A"; id -u; ulimit -n; stat -c %u:%a /data; touch /data/x && echo written; touch /x || echo fixed'
    files = {"name": "nofile", "softLimit": 1000, "hardLimit": 2000}
    arn = here.start(
        define(
            here,
            script,
            image,
            user=str(USER),
            readonlyRootFilesystem=True,
            environment=[{"name": "A", "value": "two words\nand lines"}],
            mountPoints=[{"sourceVolume": "data", "containerPath": "/data"}],
            ulimits=[files],
            volumes=[{"name": "data"}],
        )
    )
    task = here.wait(arn, within_s=60)
    assert task["stopCode"] == "EssentialContainerExited", task["stoppedReason"]
    assert task["containers"][0]["exitCode"] == 0
    assert task["containers"][0]["imageDigest"] == image.partition("@")[2]
    output = here.output("one")
    assert output[:6] == ["two words", "and lines", str(USER), "1000", f"{USER}:755", "written"]
    assert "fixed" in output[6:]  # `touch` writes an error on the other stream, in either order


def test_a_stopped_container_has_its_stop_timeout_and_keeps_its_exit_code(real, here, image):
    ecs = real.client("ecs", REGION)
    for script, code in ((GRACEFUL, 7), (GRACEFUL.replace("exit 7", ":"), 137)):
        arn = here.start(define(here, script, image, stopTimeout=2))
        here.wait(arn, "RUNNING", within_s=60)
        here.output("one")
        began = time.monotonic()
        ecs.stop_task(cluster="toril", task=arn, reason="enough")
        task = here.wait(arn)
        assert (task["containers"][0]["exitCode"], task["stopCode"]) == (code, "UserInitiated"), here.output("one")
        assert code == 7 or time.monotonic() - began >= 2


def test_a_container_is_limited_to_its_tasks_memory(real, here, image):
    whole = here.wait(here.start(define(here, "exec tail /dev/zero", image)), within_s=60)["containers"][0]
    assert (whole["exitCode"], whole["reason"]) == (137, OUT_OF_MEMORY)
    child = here.wait(here.start(define(here, "tail /dev/zero; exit 3", image)), within_s=60)["containers"][0]
    assert (child["exitCode"], child["reason"]) == (3, OUT_OF_MEMORY)
    larger = {"cpu": "512", "memory": "1024"}
    script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max"
    here.wait(here.start(define(here, script, image), overrides=larger), within_s=60)
    assert str(1024 * 1024 * 1024) in here.output("one")


def test_a_container_gets_its_roles_credentials(real, here, image):
    here.wait(here.start(define(here, CREDENTIALS, image)), within_s=60)
    output = "".join(here.output("one"))
    assert f'"RoleArn": "arn:aws:iam::{ACCOUNT}:role/task"' in output


def test_kill_and_freeze_affect_all_processes_of_a_container(real, here, image):
    arn = here.start(define(here, "sleep 600 & for ((n=0;;n++)); do echo $n; sleep 0.05; done", image))
    here.wait(arn, "RUNNING", within_s=60)
    here.output("one")
    real.freeze(arn)
    time.sleep(0.5)
    before = here.output("one")
    time.sleep(0.5)
    assert here.output("one") == before
    real.thaw(arn)
    real.kill(arn)
    container = here.wait(arn)["containers"][0]
    assert container["exitCode"] == 137
    assert "reason" not in container


@pytest.mark.parametrize("reference", [f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/toril/worker:none", "none:1"])
def test_a_missing_image_cannot_be_pulled(real, here, image, reference):
    task = here.wait(here.start(define(here, "", reference)), within_s=60)
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError: ")
    assert task["stoppedReason"].endswith(f"{reference}: not found")


def test_an_image_of_another_architecture_cannot_be_pulled(real, here):
    arm = shell_image()
    there = registry(real)
    there.push("toril/worker", arm)
    digest = there.push_manifest("toril/worker", oci.index({"arm64": arm}), oci.INDEX)
    task = here.wait(here.start(define(here, "", f"{IMAGE.rpartition(':')[0]}@{digest}")), within_s=60)
    assert "does not contain descriptor matching platform 'linux/amd64'" in task["stoppedReason"]


def test_a_missing_program_cannot_be_started(real, here, image):
    task = here.wait(here.start(define(here, "", image, entryPoint=["/bin/none"])), within_s=60)
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotStartContainerError: ")


def test_a_tasks_image_is_pulled_through_a_cache_rule(real, here):
    upstream = shell_image(Entrypoint=["/bin/bash", "-c", "echo cached"])
    Registry(real.upstream("public.ecr.aws")).push("team/shell", upstream, "1")
    ecr = real.client("ecr", REGION)
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="public", upstreamRegistryUrl="public.ecr.aws")
    rights = ["ecr:BatchImportUpstreamImage", "ecr:CreateRepository", "ecr:BatchGetImage"]
    more = ["ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability", "ecr:GetAuthorizationToken"]
    logs = ["logs:CreateLogStream", "logs:PutLogEvents"]
    statement = {"Effect": "Allow", "Action": [*rights, *more, *logs], "Resource": "*"}
    execution = role(real, "importing", [statement], {"Service": "ecs-tasks.amazonaws.com"})
    cached = Place(real, here.network, here.task_role, execution)
    reference = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/public/team/shell:1"
    for up in (True, False):
        real.set_upstream("public.ecr.aws", up=up)
        task = cached.wait(cached.start(cached.define("one", "", image=reference, command=[])), within_s=60)
        assert task["containers"][0]["exitCode"] == 0, task.get("stoppedReason")
        assert task["containers"][0]["imageDigest"] == upstream.digest
    assert ecr.describe_images(repositoryName="public/team/shell")["imageDetails"]


def test_nothing_is_left_behind(tmp_path):
    """Checks only this test's own cloud, since others may use podman at the same time."""
    label = f"label=of={tmp_path}"

    def podman(*words: str) -> set[str]:
        done = subprocess.run(["podman", *words], capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    def made() -> set[str]:
        """Returns the cloud's containers, their cgroups and volumes, and its images."""
        shown = '{{.Id}} {{index .Config.Labels "embedded-cloud"}} {{range .Mounts}}{{.Name}} {{end}}'
        containers = podman("ps", "--all", "--quiet", "--no-trunc", "--filter", label)
        return podman("inspect", "--format", shown, *containers) | podman("images", "--quiet", "--filter", label)

    def there() -> set[str]:
        groups = {one.name for one in Path("/sys/fs/cgroup").glob("**/embedded-cloud-*")}
        images = podman("images", "--all", "--quiet", "--filter", label)
        return podman("ps", "--all", "--quiet", "--no-trunc") | podman("volume", "ls", "--quiet") | images | groups

    with embedded_cloud(containers=True) as cloud:
        here = place(cloud)
        one = shell_image(Entrypoint=["/bin/bash", "-c"], Env=["PATH=/bin"], Labels={"of": str(tmp_path)})
        digest = registry(cloud).push("toril/worker", one)
        reference = f"{IMAGE.rpartition(':')[0]}@{digest}"
        volume = {"mountPoints": [{"sourceVolume": "d", "containerPath": "/data"}], "volumes": [{"name": "d"}]}
        fills = here.start(define(here, "sleep 3; exec tail /dev/zero", reference, **volume))
        here.wait(here.start(define(here, "sleep 600", reference, **volume)), "RUNNING", within_s=60)
        before = made()
        here.wait(fills, within_s=60)
        assert len(before) == 6  # two containers with a volume each, their cgroup and their image
        assert len(before & there()) == 4
    assert before & there() == set()
