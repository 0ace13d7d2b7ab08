"""`tools/preview.py` previews stacks without their secrets."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.world import world
from tools import demo_stacks, preview
from tools.preview import SECRET, SIGNATURE, WITHHELD, counts, secrets, section, withheld, without

DIGEST = f"sha256:{'0a' * 32}"
ROOT = Path(__file__).parents[2]
HIDDEN = {SIGNATURE: SECRET, "ciphertext": "v1:abc"}
LOGIN = {"docker-hub": {"username": {"secure": "v1:a"}, "accessToken": {"secure": "v1:b"}}}


def test_every_secret_of_a_state_is_withheld_and_its_provider_replaced():
    state = {
        "deployment": {"secrets_providers": {"type": "kms"}, "resources": [{"inputs": {"a": HIDDEN, "b": [HIDDEN, 1]}}]}
    }
    kept = {SIGNATURE: SECRET, "plaintext": json.dumps(WITHHELD)}
    assert withheld(state, {"type": "copy"}) == {
        "deployment": {"secrets_providers": {"type": "copy"}, "resources": [{"inputs": {"a": kept, "b": [kept, 1]}}]}
    }


def test_secret_settings_are_listed_by_path_and_removed():
    config = {"toril:credentials": LOGIN, "toril:caches": ["docker-hub"]}
    assert [path for key, value in config.items() for path in secrets([key], value)] == [
        'toril:credentials["docker-hub"]["username"]',
        'toril:credentials["docker-hub"]["accessToken"]',
    ]
    assert [without(value) for value in config.values()] == [{}, ["docker-hub"]]


@pytest.mark.parametrize(
    ("step", "counted"),
    [
        ({"op": "same"}, False),
        ({"op": "create"}, True),
        ({"op": "delete"}, True),
        ({"op": "update", "oldState": {"inputs": {"a": "[secret]"}}, "newState": {"inputs": {"a": HIDDEN}}}, False),
        ({"op": "replace", "oldState": {"inputs": {"a": HIDDEN}}, "newState": {"inputs": {"a": HIDDEN}}}, False),
        ({"op": "update", "oldState": {"inputs": {"a": 1}}, "newState": {"inputs": {"a": 2}}}, True),
        ({"op": "update", "oldState": {"inputs": {"a": "[secret]"}}, "newState": {"inputs": {"a": "open"}}}, True),
    ],
)
def test_withheld_values_do_not_count_as_drift(step, counted):
    assert counts(step) is counted


def test_a_missing_mail_subscription_is_told_apart_from_other_drift():
    mail = "urn:pulumi:hub::toril::toril:hub:Hub$aws:sns/topicSubscription:TopicSubscription::hub-ops@acme.example"
    assert preview.unsubscribed({"op": "create", "urn": mail})
    assert not preview.unsubscribed({"op": "update", "urn": mail})
    assert not preview.unsubscribed({"op": "create", "urn": "urn:pulumi:hub::toril::aws:sns/topic:Topic::hub"})


def test_a_diff_shows_no_credential_that_a_person_put_into_the_cloud(tmp_path, monkeypatch):
    diff = '    ~ variables: {\n        + API_TOKEN: "swordfish"\n        + MODE: "fast"\n    }\n'
    monkeypatch.setattr(preview, "run", lambda *words, **more: diff)
    assert preview.Copy(tmp_path).preview("hub", drift=True) == diff.replace("swordfish", "***")


def test_a_diff_is_truncated_and_cannot_close_its_fence():
    text = section("hub", "a ``` b\n" + "x" * 100_000, 20_000)
    assert text.count("````") == 2
    assert "truncated" in text
    assert len(text) < 22_000


@pytest.mark.live
@pytest.mark.nightly
def test_a_preview_needs_no_access_to_the_stacks_secrets(tmp_path):
    with world() as one:
        demo_stacks.copy(tmp_path)
        caches = ("config", "set", "--stack", "us-east-1", "--path")
        for stack in ("hub", "us-east-1"):
            one.pulumi.cli("stack", "init", stack, cwd=tmp_path)
        one.pulumi.cli(*caches, "caches[1]", "docker-hub", cwd=tmp_path)
        for key in ("username", "accessToken"):
            one.pulumi.cli(*caches, f"credentials.docker-hub.{key}", "hush-hush", "--secret", cwd=tmp_path)
        for stack in ("hub", "us-east-1"):
            one.pulumi.cli("up", "--yes", "--skip-preview", "--stack", stack, cwd=tmp_path)

        def tool(name: str, *words: str) -> "subprocess.CompletedProcess[str]":
            environment = {**one.pulumi.environment, "PYTHONPATH": str(ROOT)}
            del environment["PULUMI_CONFIG_PASSPHRASE"]
            command = [sys.executable, "-m", f"tools.{name}", *words]
            return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

        def preview(*words: str) -> "subprocess.CompletedProcess[str]":
            return tool("preview", "hub", "us-east-1", *words)

        before = {path: path.read_bytes() for path in tmp_path.glob("Pulumi*")}
        calls = len(one.pulumi.log)
        done = preview("--drift", "--out", "preview.md")
        assert done.returncode == 0, done.stdout + done.stderr
        read = {call.operation for call in one.pulumi.log[calls:] if call.service == "secretsmanager"}
        assert read == {"DescribeSecret", "GetResourcePolicy"}  # the role `drift` may not read a value
        assert "hush" not in done.stdout + (tmp_path / "preview.md").read_text()
        assert {path: path.read_bytes() for path in tmp_path.glob("Pulumi*")} == before

        handed = tool("digests", "us-east-1", "--handed", json.dumps({"slim": DIGEST}))
        assert handed.returncode == 0, handed.stderr
        assert preview().stdout.count(DIGEST) > 0
        one.pulumi.cli("up", "--yes", "--skip-preview", "--stack", "us-east-1", cwd=tmp_path)
        (tmp_path / "Pulumi.us-east-1.yaml").write_bytes(before[tmp_path / "Pulumi.us-east-1.yaml"])
        assert tool("digests", "us-east-1").stdout == f"us-east-1: slim {DIGEST}\n"
        assert preview("--drift").returncode == 0

        one.pulumi.cli("config", "set", "--stack", "us-east-1", "logs.days", "30", "--path", cwd=tmp_path)
        assert "retentionInDays" in preview().stdout
        drifted = preview("--drift")
        assert drifted.returncode == 1
        assert ": us-east-1." in drifted.stderr
