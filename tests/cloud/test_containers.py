"""Tasks as containers of pushed images, with Fargate's limits, files and stop reasons."""

import subprocess
from pathlib import Path

import pytest

from tests.cloud import oci
from tests.cloud.embedded import Cloud, embedded_cloud
from tests.cloud.oci import Registry
from tests.cloud.shell_image import shell_image
from tests.cloud.tasks import IMAGE, REGION, Place, place

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("containers")]

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


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


def test_a_container_is_limited_to_its_tasks_memory(real, here, image):
    whole = here.wait(here.start(define(here, "exec tail /dev/zero", image)), within_s=60)["containers"][0]
    assert (whole["exitCode"], whole["reason"]) == (137, OUT_OF_MEMORY)
    child = here.wait(here.start(define(here, "tail /dev/zero; exit 3", image)), within_s=60)["containers"][0]
    assert (child["exitCode"], child["reason"]) == (3, OUT_OF_MEMORY)
    larger = {"cpu": "512", "memory": "1024"}
    script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max"
    here.wait(here.start(define(here, script, image), overrides=larger), within_s=60)
    assert str(1024 * 1024 * 1024) in here.output("one")


def test_an_image_of_another_architecture_cannot_be_pulled(real, here):
    arm = shell_image()
    there = registry(real)
    there.push("toril/worker", arm)
    digest = there.push_manifest("toril/worker", oci.index({"arm64": arm}), oci.INDEX)
    task = here.wait(here.start(define(here, "", f"{IMAGE.rpartition(':')[0]}@{digest}")), within_s=60)
    assert "does not contain descriptor matching platform 'linux/amd64'" in task["stoppedReason"]


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
