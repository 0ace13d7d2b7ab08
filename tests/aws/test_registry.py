"""Pulls by the registry protocol, from a scripted registry."""

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


def pulled(script: Script, clock: Clock | None = None) -> list[str]:
    """Pulls an image. Returns the requested paths."""
    Registry(address=script.url, token="QVdTOng=", clock=clock or Clock()).pull("hub/acme/app", "sha256:i")
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


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (
            denied(403, "DENIED", "no ecr:CreateRepository"),
            ["hub/acme/app@sha256:i", "no ecr:CreateRepository", "allow"],
        ),
        (denied(404, "MANIFEST_UNKNOWN", "not found"), ["404 MANIFEST_UNKNOWN", "digest"]),
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
