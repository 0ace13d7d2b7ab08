"""`toril service`: the question, the suite that it writes, and what it refuses."""

import pytest
from typer.testing import CliRunner

from toril import cli
from toril.cloudwatch import discover
from toril.records import ServiceResource

QUEUE = ServiceResource(kind="queue", id="arn:aws:sqs:eu-west-1:111122223333:orders")
SUITE = """# the shop
execution:
- {scenario: s, hold-for: 1m, concurrency: 1}
scenarios:
  s: {requests: ['https://shop.example.com/a']}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command with an account that has these resources."""
    (tmp_path / "suite.yml").write_text(SUITE)

    def run(resources, *options, answer=None):
        asked = []

        def found(region, hosts, tags, resolve, unread):
            unread("/shop/db-url")
            asked.append((region, set(hosts), dict(tags)))
            return tuple(resources)

        monkeypatch.setattr(discover, "discover", found)
        result = CliRunner().invoke(cli.app, ["service", str(tmp_path), *options], input=answer)
        return result, asked, (tmp_path / "suite.yml").read_text()

    return run


def test_it_asks_for_the_suite_s_hosts_and_tags_and_writes_what_it_found_after_a_yes(run):
    result, asked, written = run([QUEUE], "--resource-tag", "app=shop", "--region", "eu-west-1", answer="y\n")
    assert result.exit_code == 0, result.output
    assert asked == [("eu-west-1", {"shop.example.com"}, {"app": "shop"})]
    assert "orders" in result.output
    assert "/shop/db-url" in result.output
    assert written.startswith(SUITE)
    assert QUEUE.id in written


def test_without_a_yes_the_suite_stays(run):
    result, _, written = run([QUEUE], answer="n\n")
    assert result.exit_code != 0
    assert written == SUITE


def test_an_own_address_replaces_the_suite_s_and_nothing_found_is_an_error(run):
    result, asked, written = run([], "--address", "https://lb-1.elb.amazonaws.com/x", "--yes")
    assert asked == [("", {"lb-1.elb.amazonaws.com"}, {})]
    assert result.exit_code != 0
    assert written == SUITE
