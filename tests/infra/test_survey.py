"""Decisions about a region as a whole."""

from infra.survey import coordinator_image, resolve_images
from infra.workers.task_definitions import kinds
from tests.infra.regions import ACCOUNT, place, settings

HOST = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"


def coordinators(**flavours: dict[str, str]) -> str:
    return coordinator_image(resolve_images(settings(flavours=flavours, caches=["quay"]), place()), place()).uri


def test_coordinators_use_the_stacks_smallest_image():
    assert coordinators(full={}, slim={}) == f"{HOST}/toril/worker:slim"
    assert coordinators(full={}, browser={}) == f"{HOST}/toril/worker:browser"
    assert coordinators(app={"image": "quay.io/acme/app:1"}, full={}) == f"{HOST}/toril/worker:full"
    assert coordinators(app={"image": "quay.io/acme/app:1"}) == f"{HOST}/quay/acme/app:1"


def test_an_environments_images_are_in_its_own_repository():
    (image,) = resolve_images(settings(flavours={"slim": {}}), place(environment="prod")).values()
    assert image.uri == f"{HOST}/toril/prod/worker:slim"


def test_the_order_of_flavours_and_architectures_changes_nothing():
    one = settings(flavours={"a": {}, "b": {}}, architectures=["x86-64", "arm64"])
    other = settings(flavours={"b": {}, "a": {}}, architectures=["arm64", "x86-64"])
    assert kinds(one, resolve_images(one, place())) == kinds(other, resolve_images(other, place()))
