"""The conversion of Pulumi's properties to requests, and of answers to properties."""

import json

import pytest

from tests.infra.engine.shapes import UNKNOWN, Misfit, fit, mirror, problems, request_shape, same

CREATE = request_shape("ecr", "CreateRepository")
TEMPLATE = request_shape("ecr", "CreateRepositoryCreationTemplate")
REGISTER = request_shape("ecs", "RegisterTaskDefinition")


@pytest.mark.parametrize(
    ("shape", "properties", "request_"),
    [
        (CREATE, {"imageScanningConfiguration": {"scanOnPush": True}}, None),
        (CREATE, {"encryptionConfiguration": [{"encryptionType": "AES256"}]}, {"encryptionType": "AES256"}),
        (CREATE, {"tags": {"b": "2", "a": "1"}}, [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]),
        (TEMPLATE, {"appliedFors": "REPLICATION"}, ["REPLICATION"]),
        (REGISTER, {"cpu": 256.0}, "256"),
    ],
    ids=["unchanged", "a block that may occur once", "tags", "one of many", "a number as text"],
)
def test_a_property_finds_its_member(shape, properties, request_):
    (fitted,) = fit(shape, properties, {}).values()
    assert fitted == (next(iter(properties.values())) if request_ is None else request_)


def test_a_property_without_a_member_is_an_error():
    with pytest.raises(Misfit, match=r"encryptionConfiguration\.kind has no place"):
        fit(CREATE, {"encryptionConfiguration": {"kind": "AES256"}}, {})


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({}, "repositoryName: is required"),
        ({"repositoryName": "x"}, "has 1 characters, allowed are 2…256"),
        ({"repositoryName": "Capitals"}, "'Capitals' does not match"),
        ({"repositoryName": "ab", "imageTagMutability": "SOMETIMES"}, "'SOMETIMES' is none of MUTABLE"),
        ({"repositoryName": "ab", "imageTagMutability": True}, "Invalid type"),
    ],
)
def test_problems_reports_invalid_values(request_, problem):
    assert problem in "; ".join(problems(CREATE, request_))


def test_unknown_values_count_as_valid():
    assert problems(CREATE, {"repositoryName": UNKNOWN, "tags": UNKNOWN}) == []
    assert "repositoryName" in problems(CREATE, {"tags": UNKNOWN})[0]


def test_documents_with_equal_content_are_the_same():
    assert same('{"a": 1, "b": [2]}', '{"b":[2],"a":1}')
    assert not same('{"a": 1}', '{"a": 2}')
    assert not same("a", "b")


@pytest.mark.parametrize(
    ("wanted", "seen", "found"),
    [
        ({"scanOnPush": True}, {"scanOnPush": False, "more": 1}, {"scanOnPush": False}),
        (["b", "a"], ["a", "b"], ["b", "a"]),
        (["a"], ["a", "c"], ["a", "c"]),
        ({"owner": "me"}, [{"Key": "owner", "Value": "you"}], {"owner": "you"}),
        ([{"encryptionType": "KMS"}], {"encryptionType": "AES256", "kmsKey": None}, [{"encryptionType": "AES256"}]),
        (60, "90", 90.0),
        ("256", 256, "256"),
        (True, "false", False),
    ],
)
def test_a_read_value_takes_the_form_of_the_wanted_one(wanted, seen, found):
    assert mirror(wanted, seen, {}) == found


def test_a_returned_document_with_defaults_equals_the_wanted_one():
    wanted = json.dumps([{"name": "worker", "image": "i"}])
    assert mirror(wanted, [{"name": "worker", "image": "i", "cpu": 0, "mountPoints": []}], {}) == wanted
    assert json.loads(mirror(wanted, [{"name": "worker", "image": "other"}], {}))[0]["image"] == "other"
