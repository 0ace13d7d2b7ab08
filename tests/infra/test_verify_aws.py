"""`make verify-aws` against the embedded cloud, whose tasks are processes: it runs to its end and leaves nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cloud.embedded import Cloud, Credentials, embedded_cloud
from tests.cloud.oci import Registry, image
from tests.cloud.proxy import aws_proxy
from tests.cloud.stand_in import WORKER
from tests.image.archives import archive
from tests.infra.console_site import ARCHITECTURE, PYTHON
from tests.infra.engine.stacks import engine
from tests.infra.inventory import inventory
from tests.targets import target
from tools.console_zip import build
from tools.verify_aws import CACHED, ROLES, Failed, Skipped, Trial, parse_names, policies_of, principal_of

ROOT = Path(__file__).parents[2]
ENVIRONMENT = "check"
REGIONS = ("us-east-1", "eu-west-1")
ARCHIVED = {"arm64": "arm64", "x86-64": "amd64"}  # processors in archives


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """Yields the cloud, and the environment of a process that takes it for AWS."""
    with embedded_cloud(auth=True) as cloud, engine(cloud.url) as pulumi, aws_proxy(cloud) as proxy:
        for service in ("ecs", "pullthroughcache.ecr"):  # an account keeps them
            cloud.client("iam").create_service_linked_role(AWSServiceName=f"{service}.amazonaws.com")
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # of `toril`, which sweeps
        cloud.set_image(f"toril/{ENVIRONMENT}/worker", WORKER, environment={"PATH": path})
        repository, _, tag = CACHED.rpartition(":")
        Registry(cloud.upstream("public.ecr.aws")).push(repository, image({}), tag)
        cloud.set_functions(**proxy.settings())  # the console's function reaches its issuer by its own name
        keys = administrator(cloud).environment()
        yield cloud, {**pulumi.environment, **proxy.environment(PATH=pulumi.environment["PATH"]), **keys}


def administrator(cloud: Cloud) -> Credentials:
    """Makes a role with all rights. Its path is missing in the ARN of its sessions."""
    iam, all_rights = cloud.client("iam"), {"Effect": "Allow", "Action": "*", "Resource": "*"}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{cloud.account}:root"}}
    iam.create_role(RoleName="ada", Path="/people/", AssumeRolePolicyDocument=policy(trust))
    iam.put_role_policy(RoleName="ada", PolicyName="all", PolicyDocument=policy(all_rights))
    return cloud.assume(f"arn:aws:iam::{cloud.account}:role/people/ada")


def policy(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def verify(environment: dict[str, str], folder: Path, *words: str) -> subprocess.Popen[str]:
    given = ("--name", ENVIRONMENT, "--regions", *REGIONS, "--folder", str(folder), "--yes", *words)
    return subprocess.Popen(
        [sys.executable, "-m", "tools.verify_aws", *given],
        cwd=ROOT, env=environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def outcomes(folder: Path) -> dict[str, str]:
    rows = [line.split(" | ") for line in (folder / "report.md").read_text().splitlines() if line.startswith("| ")]
    return {row[0].removeprefix("| "): row[1] for row in rows[1:]}


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("skopeo") is None, reason="`make system` first")
def test_all_checks_pass_in_the_embedded_cloud_and_nothing_is_left(account, tmp_path):
    cloud, environment = account
    before = inventory(cloud, *REGIONS)
    cloud.set_findings(("CVE-2026-1", "CRITICAL", "NO"))  # every base has some
    with target(delay_s=0.005) as service:
        build(ARCHITECTURE, PYTHON, tmp_path / "console.zip")
        words = ["--email", "ada@example.com", "--target", service.url, "--package", str(tmp_path / "console.zip")]
        words += ["--archive", str(archive(tmp_path, ARCHIVED[ARCHITECTURE]))]
        process = verify(environment, tmp_path / "verify", *words)
        output, _ = process.communicate(timeout=850)
    found = outcomes(tmp_path / "verify")
    skipped = {name for name, outcome in found.items() if outcome == "skipped"}
    assert {name: one for name, one in found.items() if one == "failed"} == {}, output
    assert (process.returncode, len(found), skipped) == (0, 16, {"mail"}), output
    assert inventory(cloud, *REGIONS) == before
    report = (tmp_path / "verify/report.md").read_text()
    assert "CVE-2026-1" in report
    taken = {
        one.resource.rpartition("-")[2]
        for one in cloud.decisions()
        if one.role == "ada" and one.action == "sts:AssumeRole"
    }
    assert taken == {*ROLES}
    assert cloud.account not in report
    assert "ada@example.com" not in report


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_an_interrupted_call_destroys_what_it_made(account, tmp_path):
    cloud, environment = account
    before = inventory(cloud, *REGIONS)
    process = verify(environment, tmp_path / "verify")
    give_up = time.monotonic() + 120
    while inventory(cloud, *REGIONS) == before and time.monotonic() < give_up:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 1, output
    assert outcomes(tmp_path / "verify")["everything is destroyed"] == "passed", output
    assert inventory(cloud, *REGIONS) == before


def test_each_policy_of_an_exported_stack_is_validated_as_what_it_is():
    resources = [
        {"type": "aws:iam/role:Role", "urn": "a::role", "inputs": {"assumeRolePolicy": "{}"}},
        {"type": "aws:iam/rolePolicy:RolePolicy", "urn": "a::inline", "inputs": {"policy": "{}"}},
        {"type": "aws:sns/topic:Topic", "urn": "a::topic", "inputs": {}},
    ]
    found = dict(policies_of({"deployment": {"resources": resources}}))
    assert found == {
        "a::role": {
            "policyDocument": "{}",
            "policyType": "RESOURCE_POLICY",
            "validatePolicyResourceType": "AWS::IAM::AssumeRolePolicyDocument",
        },
        "a::inline": {"policyDocument": "{}", "policyType": "IDENTITY_POLICY"},
    }


@pytest.mark.parametrize(
    ("caller", "principal"),
    [
        ("arn:aws:sts::123456789012:assumed-role/ada/session", "arn:aws:iam::123456789012:role/people/ada"),
        ("arn:aws:iam::123456789012:user/people/bob", "arn:aws:iam::123456789012:user/people/bob"),
        ("arn:aws:iam::123456789012:root", ""),
        ("arn:aws:sts::123456789012:federated-user/bob", ""),
    ],
)
def test_a_trust_names_the_callers_role_or_user_and_neither_root_nor_federated_users(caller, principal):
    class Iam:
        def get_role(self, RoleName):
            return {"Role": {"Arn": f"arn:aws:iam::123456789012:role/people/{RoleName}"}}

    assert principal_of(caller, Iam()) == principal


def test_a_check_is_one_line_whatever_it_meets(capsys):
    trial = Trial.__new__(Trial)
    trial.lines = []

    def raises(error: Exception):
        def function():
            raise error

        return function

    assert trial.check("a", lambda: "fine")
    assert trial.check("b", raises(Skipped("needs --email")))
    assert not trial.check("c", raises(Failed("two findings", "the output")))
    assert not trial.check("d", raises(OSError("no route")))
    assert [(one.outcome, one.detail, one.output) for one in trial.lines] == [
        ("passed", "fine", ""),
        ("skipped", "needs --email", ""),
        ("failed", "two findings", "the output"),
        ("failed", "OSError: no route", ""),
    ]
    assert capsys.readouterr().out.count("\n") == 4


def test_the_main_environment_is_never_verified():
    with pytest.raises(SystemExit):
        parse_names("main")


@pytest.mark.live
def test_an_environment_that_exists_is_refused_and_keeps_everything(account, tmp_path):
    cloud, environment = account
    bucket = f"toril-{ENVIRONMENT}-{cloud.account}-{REGIONS[0]}"
    cloud.client("s3").create_bucket(Bucket=bucket)
    process = verify(environment, tmp_path / "verify")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert bucket in output
    assert not (tmp_path / "verify").exists()
    cloud.client("s3").head_bucket(Bucket=bucket)
    cloud.client("s3").delete_bucket(Bucket=bucket)
