"""Writing the service's resources into a suite: all other lines stay."""

import pytest
import yaml

from tests.refusals import refused
from toril.errors import OptionError
from toril.records import ServiceResource
from toril.suite.edit import with_service

QUEUE = ServiceResource(kind="queue", id="arn:aws:sqs:eu-west-1:111122223333:orders")
TABLE = ServiceResource(kind="table", id="arn:aws:dynamodb:eu-west-1:1:table/carts", size={"billing": "PROVISIONED"})
ITEM = "- {kind: queue, id: 'arn:aws:sqs:eu-west-1:111122223333:orders'}\n"
HEAD = "# the shop\nexecution: [{scenario: s}]  # one\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"toril:\n  service:\n  {ITEM}"),
        ("toril:\n    # two\n    workers: 2  # of them\n", "toril:\n    # two\n    workers: 2  # of them\n"
         f"    service:\n    {ITEM}"),
        ("toril:\n  service:  # old\n  - {kind: table, id: x}\n  # next\n  workers: 2\n",
         f"toril:\n  service:\n  {ITEM}  # next\n  workers: 2\n"),
        ("toril:\n  workers: 2\n# after\nscenarios: {}\n",
         f"toril:\n  workers: 2\n  service:\n  {ITEM}# after\nscenarios: {{}}\n"),
    ],
)  # fmt: skip
def test_only_the_block_changes(before, after):
    assert with_service(HEAD + before, [QUEUE], "suite.yml") == HEAD + after


def test_the_sizes_are_kept_and_a_second_time_changes_nothing():
    once = with_service(HEAD, [QUEUE, TABLE], "suite.yml")
    assert "size: {billing: PROVISIONED}" in once
    assert with_service(once, [QUEUE, TABLE], "suite.yml") == once


@pytest.mark.parametrize("text", ['{"execution": []}', "toril: {workers: 2}\n", "a: 1\n---\nb: 2\n"])
def test_another_form_is_refused_with_the_text_to_paste(text):
    with refused("not-edited", error=OptionError) as found:
        with_service(text, [QUEUE], "suite.yml")
    assert ITEM.strip() in str(found.value)


def test_a_prometheus_and_versions_that_a_person_wrote_stay():
    prometheus = "- {kind: prometheus, id: 'https://prom.example.com', queries: {waits: sum(waits)}}"
    written = f"{HEAD}toril:\n  service:\n  - {{kind: queue, id: '{QUEUE.id}', version: head}}\n  {prometheus}\n"
    service = yaml.safe_load(with_service(written, [TABLE, QUEUE], "suite.yml"))["toril"]["service"]
    assert [(one["id"], one.get("version")) for one in service] == [
        (TABLE.id, None), (QUEUE.id, "head"), ("https://prom.example.com", None)
    ]  # fmt: skip
