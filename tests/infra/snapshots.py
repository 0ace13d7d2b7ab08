"""The graphs of known stacks as files, so that a review shows the effects of a change.

python -m tests.infra.snapshots --write     # update them
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.settings.schema import ROOT
from tests.infra.cases import Case
from tests.infra.configurations import MARK, OTHER, key_arn, secret_arn
from tests.infra.engine.provider import kind_of
from tests.infra.engine.shapes import same
from tests.infra.invented import ACCOUNT, World
from tests.infra.offline import Found
from tests.infra.packages import package
from tests.infra.stack_files import committed

FOLDER = Path(__file__).with_name("snapshots")
COMMAND = "python -m tests.infra.snapshots --write"
OPTIONS: Mapping[str, Any] = {"protect": False, "retained": False, "dependencies": []}  # of a resource, with defaults

RICH_HUB = Case(
    stack="prod.hub",
    config={
        "region": "eu-west-1",
        "account": ACCOUNT,
        "bucket": "acme-load-test-results",
        "budget": {"monthlyUsd": 100, "emails": ["costs@example.com"]},
        "emails": ["ops@example.com"],
        "encryption": "KMS",
        "github": {
            "home": {"name": "acme/load-tests", "ownerId": "1000", "repositoryId": "2000"},
            "repositories": [{"name": "acme/shop", "ownerId": "1000", "repositoryId": "2001", "run": "load-test"}],
        },
        "console": {
            "domain": {
                "name": "load.example.com",
                "certificate": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/0a1b2c3d-1111-2222-3333-444455556666",
            },
            "issuer": {
                "url": "https://id.example.com",
                "clientId": "toril",
                "confidential": True,
                "loginClientId": "toril-cli",
                "audience": "load-tests",
            },
            "machines": [{"repositoryId": "2001", "environment": "load-test"}],
            "maxCost": 20,
            "package": package(),
            "roles": {"everyone": "viewer", "sre": "admin"},
        },
        "access": [
            {
                "roles": ["run"],
                "principals": [
                    f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Developers_*"
                ],
            },
            {
                "roles": ["run"],
                "issuer": "https://gitlab.com",
                "audiences": ["sts.amazonaws.com"],
                "subjects": ["project_path:acme/shop:ref_type:branch:ref:*"],
            },
        ],
        "permissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/boundaries/toril",
        "publicRepository": {"name": "load-test-worker", "pushers": [OTHER]},
        "faults": True,
        "service": True,
        "serviceLogs": ["/ecs/shop"],
        "stateBucket": "acme-pulumi-state",
        "stateKey": key_arn("eu-west-1"),
        "tags": {"owner": "performance"},
    },
)
USER_POOL_HUB = Case(
    stack="hub", config={"region": "us-east-1", "console": {"admin": "ada@example.com", "package": package()}}
)
RICH_REGION = Case(
    stack="prod.eu-west-1",
    config={
        "home": True,
        "caches": [
            "docker-hub",
            {"upstream": "ghcr", "secret": "later"},
            {"upstream": "ecr", "account": OTHER, "upstreamPrefix": "team-a"},
        ],
        "credentials": {"docker-hub": {"username": f"u-{MARK}", "accessToken": f"t-{MARK}"}},
        "encryption": "KMS",
        "flavours": {
            "slim": {"digest": f"sha256:{'a1' * 32}"},
            "nginx": {"image": "docker-hub/library/nginx:1.27", "architectures": ["arm64"]},
        },
        "network": {"mode": "private", "nat": True, "dnsFirewall": True},
        "permissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/boundaries/toril",
        "protect": True,
        "registry": {"scanning": "ENHANCED", "replicateTo": ["eu-central-1"]},
        "repositories": [{"name": "suites", "grants": [{"principal": OTHER, "rights": ["pull", "push"]}]}],
        "schedules": [{"name": "nightly", "suite": "checkout", "cron": "cron(17 2 * * ? *)"}],
        "secrets": [secret_arn("eu-west-1")],
        "tags": {"owner": "performance"},
        "targets": {"hosts": ["shop.example.com"], "cidrs": ["203.0.113.0/24"]},
    },
    hub=RICH_HUB.config,
    world=World(),
)


def cases() -> dict[str, Case]:
    """Returns the cases by file name: a plain and a rich stack of each kind, and a hub with a user pool."""
    own = {case.stack: case for case in committed() if case.stack in ("hub", "us-east-1")}
    return {**own, "user pool": USER_POOL_HUB, "rich hub": RICH_HUB, "rich region": RICH_REGION}


def snapshot(name: str, found: Found) -> dict[str, Any]:
    """Returns each resource by the URN without its stack, with the account and invented ids masked.

    Default options and regions, which have a law, are left out. The hub with a user pool shows what no other has.
    """
    shown = {}
    for resource in found.resources:
        options = {"dependencies": sorted(resource.dependencies), "protect": resource.protect}
        options["retained"] = resource.retained
        inputs = {key: _opened(value) for key, value in resource.shown.items() if key != "region"}
        if name != "user pool" or ":cognito/" in resource.type:
            changed = {option: value for option, value in options.items() if value != OPTIONS[option]}
            shown[_masked(resource.urn)] = _masked({"inputs": inputs, **changed})
    return shown


def _opened(value: Any) -> Any:
    """Returns a value with its JSON documents parsed, so that a difference in them is a line."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        return {"JSON": json.loads(value)}
    if isinstance(value, Mapping):
        return {key: _opened(item) for key, item in value.items()}
    return value


def _masked(value: Any) -> Any:
    match value:
        case str():
            text = value.replace(f"{ROOT}/", "").replace(ACCOUNT, "<account>").replace(OTHER, "<other account>")
            text = re.sub(r"urn:pulumi:[^:]+::toril::", "", text)
            text = re.sub(r"\b([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b", "<uuid>", text)
            return re.sub(r"\b([a-z]+-(?:[a-z]+-)?)[0-9a-f]{17}\b", r"\1<id>", text)
        case Mapping():
            return {_masked(key): _masked(item) for key, item in value.items()}
        case list():
            return [_masked(item) for item in value]
    return value


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Returns one line for each changed resource or property, and marks replacements."""
    yield from (f"+ {urn}" for urn in sorted(new.keys() - old.keys()))
    yield from (f"- {urn}" for urn in sorted(old.keys() - new.keys()))
    for urn in sorted(old.keys() & new.keys()):
        before, after = old[urn], new[urn]
        for option, default in OPTIONS.items():
            was, now = before.get(option, default), after.get(option, default)
            if was != now:
                yield f"~ {urn}: {option} {_short(was)} → {_short(now)}"
        yield from _changed_inputs(urn, before["inputs"], after["inputs"])


def _changed_inputs(urn: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    token = urn.split("::")[0].rpartition("$")[2]
    replacing = kind_of(token).replacing if token.startswith("aws:") else frozenset()
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if not same(old, new):
            mark = "± REPLACES" if name in replacing else "~"
            yield f"{mark} {urn}: {name} {_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 200 else f"{text[:200]}…"


def path_of(name: str) -> Path:
    return FOLDER / f"{name.replace(' ', '-')}.yaml"


def main(arguments: list[str] | None = None) -> int:
    """Checks that all files are up to date, or writes them. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Check or write the snapshots of known stacks.")
    parser.add_argument("--write", action="store_true", help="Write the files.")
    write = parser.parse_args(arguments).write
    FOLDER.mkdir(exist_ok=True)
    snapshots = {name: snapshot(name, case.found()) for name, case in cases().items()}
    texts = {
        path_of(name): yaml.safe_dump(shown, width=118, default_flow_style=None, allow_unicode=True)
        for name, shown in snapshots.items()
    }
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    stale += [path for path in FOLDER.iterdir() if path not in texts]
    for path in stale if write else ():
        if path in texts:
            path.write_text(texts[path])
        else:
            path.unlink()
    sys.stdout.write("".join(f"{'wrote' if write else 'out of date'}: {path.name}\n" for path in stale))
    return 1 if stale and not write else 0


if __name__ == "__main__":
    sys.exit(main())
