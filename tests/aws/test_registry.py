"""Pulls by the registry protocol, from a scripted registry."""

import hashlib
import json

import pytest

from tests.refusals import refused
from tests.store.scripted import BROKEN, Answer, Clock, Script, scripted_server
from toril.aws.registry import ATTEMPTS, Registry
from toril.errors import InfrastructureError

MANIFEST = {"config": {"digest": "sha256:c"}, "layers": [{"digest": "sha256:l"}, {"digest": "sha256:u", "urls": ["x"]}]}
REDIRECT = Answer(307, headers={"Location": "http://127.0.0.1:1/never"})


def said(value: object) -> Answer:
    return Answer(200, json.dumps(value).encode())


def denied(status: int, code: str, message: str) -> Answer:
    return Answer(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode())


def pulled(script: Script, clock: Clock | None = None, digest: str = "sha256:i", tag: str | None = None) -> list[str]:
    """Pulls an image. Returns the requested paths."""
    Registry(address=script.url, token="QVdTOng=", clock=clock or Clock()).pull("hub/acme/app", digest, tag)
    assert {one.headers["authorization"] for one in script.asked} == {"Basic QVdTOng="}
    return [one.path.removeprefix("/v2/hub/acme/app/") for one in script.asked]


def test_every_manifest_and_blob_of_an_index_is_requested_and_no_blob_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with scripted_server() as script:
        index = said({"manifests": [{"digest": "sha256:a"}, {"digest": "sha256:b"}]})
        image = said(MANIFEST)
        script.will_answer(index, image, REDIRECT, REDIRECT, image, Answer(200, b"content"), REDIRECT)
        of_one = ["blobs/sha256:l", "blobs/sha256:c"]
        assert pulled(script) == [
            "manifests/sha256:i",
            "manifests/sha256:a",
            *of_one,
            "manifests/sha256:b",
            *of_one,
        ]


def test_an_image_with_a_tag_is_requested_by_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    index = said({"manifests": [{"digest": "sha256:a"}]})
    of_index = f"sha256:{hashlib.sha256(index.body).hexdigest()}"
    for wanted in (of_index, "sha256:a"):
        with scripted_server() as script:
            script.will_answer(index, said({}))
            assert pulled(script, digest=wanted, tag="1.0") == ["manifests/1.0", "manifests/sha256:a"]


def test_a_tag_that_points_at_another_image_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    moved = said(MANIFEST)
    there = f"sha256:{hashlib.sha256(moved.body).hexdigest()}"
    with scripted_server() as script:
        script.will_answer(moved)
        with refused("tag-moved", "hub/acme/app:1.0", there, "sha256:i", error=InfrastructureError):
            pulled(script, tag="1.0")
        assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (
            denied(403, "DENIED", "no ecr:CreateRepository"),
            ["hub/acme/app@sha256:i", "no ecr:CreateRepository", "allow", "registry policy", "ecr-pullthroughcache/"],
        ),
        (denied(404, "MANIFEST_UNKNOWN", "not found"), ["404 MANIFEST_UNKNOWN", "Without a tag", "allow"]),
        (Answer(401), ["401", "credentials"]),
        (Answer(200, b"<html>"), ["proxy"]),
    ],
)
def test_a_refusal_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch, answer: Answer, names: list[str]) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with scripted_server() as script:
        script.will_answer(answer)
        with refused("not-fetched", *names, error=InfrastructureError):
            pulled(script)
        assert len(script.asked) == 1


def test_an_upstream_that_is_slow_or_broken_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    clock = Clock()
    with scripted_server() as script:
        script.will_answer(denied(429, "TOOMANYREQUESTS", "slow"), BROKEN, said({}))
        assert pulled(script, clock) == ["manifests/sha256:i"] * 3
        assert len(clock.slept) == 2
        script.will_answer(BROKEN)
        with refused("not-fetched", "try again later", error=InfrastructureError):
            pulled(script)
        assert len(script.asked) == ATTEMPTS
