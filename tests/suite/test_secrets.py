"""`toril.secrets`: references in the plan, rejected names, and no value outside workers."""

import pytest

from tests.suite.reading import execution, read, refuses
from toril.plan import make_plan
from toril.records import SecretReference, secret_reference, secrets_outside

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/api-AbCdEf"


def suite(**secrets):
    return {**execution(concurrency=1), "toril": {"secrets": secrets}}


def test_the_plan_has_the_references_of_secrets(tmp_path):
    found = read(tmp_path, suite(TOKEN="shop/api", PASSWORD=f"{ARN}:password::"))
    plan = make_plan(found, run_id="r", workers=1)
    assert plan.secrets == {"TOKEN": "shop/api", "PASSWORD": f"{ARN}:password::"}
    assert plan.warnings == ()


def test_a_smoke_run_has_the_secrets(tmp_path):
    assert make_plan(read(tmp_path, suite(TOKEN="shop/api")), run_id="r", workers=None, smoke=True).secrets


def test_a_reference_may_refer_to_the_environment(tmp_path):
    found = read(tmp_path, suite(TOKEN="${STAGE}/api"), env={"STAGE": "test"})
    assert found.toril.secrets == {"TOKEN": "test/api"}


@pytest.mark.parametrize(
    "variable",
    [
        *("AWS_SECRET_ACCESS_KEY", "TORIL_STORE", "TAURUS_ARTIFACTS_DIR", "PATH"),
        *("LD_PRELOAD", "PYTHONPATH", "https_proxy", "LOCUST_HOST"),
    ],
)
def test_a_reserved_variable_is_rejected(tmp_path, variable):
    refuses(tmp_path, suite(**{variable: "shop/api"}), "reserved-name", f"toril.secrets.{variable}")


@pytest.mark.parametrize("variable", ["1TOKEN", "MY-TOKEN", "A B"])
def test_an_invalid_variable_name_is_rejected(tmp_path, variable):
    refuses(tmp_path, suite(**{variable: "shop/api"}), "unusable-name", f"toril.secrets.{variable}")


@pytest.mark.parametrize(
    "reference",
    [
        "hunter2 and more!",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/shop",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:",
        f"{ARN}:password",
        f"{ARN}:a:b:c:d",
        "name:password::",
        "",
        "x" * 513,
    ],
)
def test_an_invalid_reference_is_rejected_and_not_quoted(tmp_path, reference):
    error = refuses(tmp_path, suite(TOKEN=reference), "not-a-secret", "toril.secrets.TOKEN")
    assert not reference or reference not in str(error)


def test_a_secret_cannot_have_a_second_value(tmp_path):
    refuses(tmp_path, suite(TOKEN="shop/api"), "conflicting-keys", "TOKEN", "--env", env={"TOKEN": "x"})
    doubled = {**suite(TOKEN="shop/api"), "settings": {"env": {"TOKEN": "x"}}}
    refuses(tmp_path, doubled, "conflicting-keys", "TOKEN", "settings.env")


def test_this_machines_environment_does_not_replace_a_secret(tmp_path):
    document = {**suite(TOKEN="shop/api"), "scenarios": {"s": {"requests": [{"url": "/", "label": "a ${TOKEN}"}]}}}
    document["execution"][0]["scenario"] = "s"
    found = read(tmp_path, document, system={"TOKEN": "of-this-machine"})
    assert found.executions[0].labels == ("a ***",)


@pytest.mark.parametrize(
    "changes", [{"execution": [{"scenario": {"requests": ["/"]}, "concurrency": "${TOKEN}"}]},
                {"reporting": [{"module": "passfail", "criteria": ["p95 of ${TOKEN}>1s"]}]}]
)  # fmt: skip
def test_load_keys_cannot_refer_to_a_secret(tmp_path, changes):
    document = {**suite(TOKEN="shop/api"), **changes}
    refuses(tmp_path, document, "unset-reference", "${TOKEN}", system={"TOKEN": "5"})


def test_a_secret_on_a_command_line_is_rejected(tmp_path):
    document = {**suite(TOKEN="shop/api"), "modules": {"jmeter": {"cmdline": "-Jtoken=${TOKEN}"}}}
    refuses(tmp_path, document, "secret-on-command-line", "modules.jmeter.cmdline")


def test_references_become_those_of_task_definitions():
    assert secret_reference("shop/api") == SecretReference(secret="shop/api", name="shop/api")
    whole = SecretReference(secret=ARN, name="shop/api-AbCdEf", region="eu-west-1")
    assert secret_reference(ARN) == secret_reference(f"{ARN}:::") == whole
    found = secret_reference(f"{ARN}:password:AWSPREVIOUS:v1")
    assert (found.secret, found.key, found.stage, found.version) == (ARN, "password", "AWSPREVIOUS", "v1")
    assert secret_reference(f"{ARN}:password::").stage is None
    assert secret_reference(ARN.replace("aws:", "aws-us-gov:", 1)).region == "eu-west-1"


OTHER = ARN.replace("eu-west-1", "us-east-1")


@pytest.mark.parametrize(
    ("reference", "allowed", "region", "outside"),
    [
        (ARN, [ARN], None, False),
        (f"{ARN}:password::", [ARN], None, False),
        (ARN.removesuffix("-AbCdEf"), [ARN], None, False),
        ("shop/api", [ARN], None, False),
        ("shop/api", [ARN], "eu-west-1", False),
        ("shop/api", [ARN], "us-east-1", True),
        ("shop/api", [OTHER, ARN], "us-east-1", False),
        ("shop/ap", [ARN], None, True),
        ("shop", [ARN], None, True),
        (OTHER, [ARN], None, True),
        (ARN[:-1], [ARN], None, True),
        (ARN, [], None, True),
        ("no reference!", [ARN], None, True),
    ],
)
def test_a_worker_can_read_only_the_secrets_of_its_stack(reference, allowed, region, outside):
    assert secrets_outside({"TOKEN": reference}, allowed, region) == (["TOKEN"] if outside else [])


def test_a_criterion_names_a_label_with_a_masked_secret(tmp_path):
    document = {
        "execution": [{"scenario": "s", "hold-for": "1m"}],
        "scenarios": {"s": {"requests": ["/${TOKEN}?token=abc"], "default-address": "http://shop"}},
        "reporting": [{"module": "passfail", "criteria": ["p95 of /***?token=***>1s"]}],
        "toril": {"secrets": {"TOKEN": "shop/api"}},
    }
    found = read(tmp_path, document)
    assert found.executions[0].labels == ("/***?token=***",)
    assert make_plan(found, run_id="r", workers=1).warnings == ()
