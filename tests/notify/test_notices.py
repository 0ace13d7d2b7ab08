"""Events of runs: who gets them, what they contain, and what a bad receiver changes."""

import json
import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.clocks import SteppedClock
from tests.launchers.scene import Scene, abandoned
from tests.measured import good, plan_of, verdict_of
from tests.notify.receiver import hook
from toril.aws.events import EventSender
from toril.errors import InfrastructureError, SuiteError
from toril.notify import webhooks
from toril.notify.notices import Notifier, failed_schedule
from toril.notify.observers import Observing
from toril.notify.webhooks import slack_message, webhook_of
from toril.records import Notice, Reason
from toril.records.event import PENDING, Delivery, Event, Trying, untold
from toril.records.summary import Summary
from toril.reports import Bundle
from toril.store import FolderStore

FAILED = Event(
    id="r:run-finished",
    kind="run-finished",
    at=0.0,
    suite="shop",
    outcome="failed",
    headline="1 of 2 criteria breached",
    links={"report": "s3://bucket/report.html"},
)


class Heard:
    """A receiver in this process. It waits for `answer` before it takes an event."""

    name = "hook.example"

    def __init__(self, status: str = "delivered") -> None:
        self.status, self.answer = status, threading.Event()
        self.events: list[Event] = []
        self.answer.set()

    def wants(self, event: Event) -> bool:
        return True

    def send(self, event: Event, trying: Trying = untold) -> Delivery:
        trying(Delivery(to=self.name, status=PENDING, attempts=2, at=1.0))
        self.answer.wait()
        self.events.append(event)
        return Delivery(to=self.name, status=self.status)

    def kinds(self) -> list[str]:
        return sorted(event.kind for event in self.events)


def stored(store) -> dict[str, Event]:
    events = [Event.from_json(data, key) for key, data in store.find_many(store.keys("events/")).items()]
    return {event.kind: event for event in events}


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def observed(scene, *receivers):
    notifier = Notifier(scene.store, receivers, scene.clock, console="https://console.example")
    scene.observers = [notifier]
    return notifier


def test_a_run_sends_its_start_and_its_result_and_keeps_both(scene):
    heard = Heard()
    notifier = observed(scene, heard)
    scene.run()
    assert notifier.close(30.0) == ()
    assert heard.kinds() == ["run-finished", "run-started"]
    kept = stored(scene.store)
    assert kept.keys() == {"run-started", "run-finished"}
    finished = kept["run-finished"]
    assert (finished.outcome, finished.suite, finished.figures.samples) == ("passed", scene.plan.suite, 60)
    assert finished.links["run"] == f"https://console.example/runs/{scene.plan.run_id}"
    assert [(one.to, one.status) for one in finished.deliveries] == [("hook.example", "delivered")]


def test_a_new_owner_does_not_announce_the_start_again(scene):
    heard = Heard()
    observed(scene, heard)
    one = abandoned(scene, 10)
    again = observed(one, heard)
    one.take_over()
    again.close(30.0)
    assert heard.kinds() == ["run-finished", "run-started"]


def test_a_hanging_receiver_delays_neither_the_verdict_nor_another_receiver(scene):
    hanging, heard = Heard(), Heard()
    hanging.answer.clear()
    notifier = observed(scene, hanging, heard)
    assert scene.run().bundle.outcome == "passed"
    assert scene.verdict()["outcome"] == "passed"
    notes = notifier.close(0.5)
    assert heard.kinds() == ["run-finished", "run-started"]
    assert [note.code for note in notes] == ["undelivered"]
    for event in stored(scene.store).values():
        assert [(one.status, one.attempts, one.message) for one in event.deliveries] == [
            ("unreachable", 2, "no answer in time"),
            ("delivered", 0, ""),
        ]
    hanging.answer.set()


def heard_of(folder, outcome, reason) -> Heard:
    """Returns what a receiver hears of a run that ended with an outcome."""
    heard, plan = Heard(), plan_of("avg-rt>1s")
    verdict = replace(verdict_of(good(), plan), outcome=outcome, reasons=(reason,))
    notifier = Notifier(FolderStore(folder), [heard], SteppedClock())
    notifier.judged(Bundle(plan=plan, summary=Summary(run_id=plan.run_id, suite="shop"), verdict=verdict))
    notifier.close(30.0)
    return heard


def test_a_confirmed_regression_is_an_event_of_its_own(tmp_path):
    heard = heard_of(tmp_path, "failed", Reason("regression", "p95 of head is 12 % slower"))
    assert heard.kinds() == ["regression-confirmed", "run-finished"]


def test_the_headline_of_an_inconclusive_run_has_its_reason(tmp_path):
    heard = heard_of(tmp_path, "inconclusive", Reason("stopped", "the run was stopped early"))
    assert "stopped early" in heard.events[0].headline


def test_an_event_is_masked_and_short_whatever_the_run_reports(tmp_path):
    heard, plan = Heard(), plan_of("avg-rt>1s").model_copy(update={"tags": {"url": "https://u:hunter2@shop.example"}})
    reasons = tuple(Reason("kept", f"GET /{n}?token=s3cr3t {'—' * 9000}") for n in range(50))
    verdict = replace(verdict_of(good(), plan), outcome="failed", reasons=reasons)
    notifier = Notifier(FolderStore(tmp_path), [heard], SteppedClock())
    notifier.judged(Bundle(plan=plan, summary=Summary(run_id=plan.run_id, suite="shop"), verdict=verdict))
    notifier.close(30.0)
    (key,) = FolderStore(tmp_path).keys("events/")
    data = FolderStore(tmp_path).get(key)
    assert len(data) <= 32 << 10
    assert b"s3cr3t" not in data
    assert b"hunter2" not in data


@pytest.mark.parametrize(
    ("on", "outcome", "wanted"),
    [
        (("failed", "inconclusive"), "failed", True),
        (("failed", "inconclusive"), "passed", False),
        (("finished",), "passed", True),
        (("started",), "passed", False),
    ],
)
def test_a_webhook_gets_the_results_that_it_names(on, outcome, wanted):
    webhook = webhook_of(Notice(webhook="https://hook.example", on=on), plan_of(), {})
    assert webhook.wants(replace(FAILED, outcome=outcome)) is wanted


def test_a_failing_webhook_is_tried_again_with_the_same_key():
    tries: list[Delivery] = []
    with hook((503, {}), (429, {"Retry-After": "7"})) as server:
        webhook, pauses = server.webhook()
        delivery = webhook.send(FAILED, tries.append)
    assert (delivery.status, delivery.attempts) == ("delivered", 3)
    assert [(one.status, one.attempts) for one in tries] == [("pending", 1), ("pending", 2), ("pending", 3)]
    assert pauses == [1.0, 7.0]
    assert server.keys == ["r:run-finished"] * 3
    assert server.bodies[0]["schema"] == "toril.event/1"


@pytest.mark.parametrize("answer", [(404, {}), (302, {"Location": "http://127.0.0.1:1/elsewhere"})])
def test_a_refusal_is_final(answer):
    with hook(answer) as server:
        delivery = server.webhook()[0].send(FAILED)
    assert (delivery.status, delivery.attempts, delivery.message) == ("refused", 1, f"status {answer[0]}")


def test_an_unreachable_webhook_ends_after_five_tries_without_its_address_in_the_message():
    with hook() as server:
        webhook, pauses = server.webhook()
    delivery = webhook.send(FAILED)
    assert (delivery.status, delivery.attempts, len(pauses)) == ("unreachable", 5, 4)
    assert "s3cr3t" not in str(delivery)


def test_an_address_comes_from_a_variable_and_must_be_secure():
    notice = Notice(variable="CHAT", on=("finished",))
    assert webhook_of(notice, plan_of(), {"CHAT": "https://hook.example/x"}).address() == "https://hook.example/x"
    for environment in ({}, {"CHAT": "http://hook.example/s3cr3t"}):
        delivery = webhook_of(notice, plan_of(), environment).send(FAILED)
        assert (delivery.to, delivery.status) == ("CHAT", "refused")
        assert "s3cr3t" not in delivery.message


@pytest.mark.parametrize(
    "address",
    ["http://localhost:1@hook.example/", "http://127.0.0.1@hook.example/", "http://localhost.hook.example/", "hook"],
)
def test_an_address_that_only_looks_like_this_machine_is_refused(address):
    delivery = webhook_of(Notice(variable="CHAT"), plan_of(), {"CHAT": address}).send(FAILED)
    assert (delivery.status, delivery.attempts) == ("refused", 0)


def test_the_check_of_the_documentation_accepts_a_message_once_and_no_forged_or_old_one():
    page = Path("docs/how-to/notifications.md").read_text()
    check: dict[str, Any] = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], check)  # type: ignore[index] # noqa: S102
    with hook((503, {})) as server:
        assert server.webhook(key="k3y")[0].send(FAILED).status == "delivered"
    assert len(server.signed) == 2  # each try has a signature of its own
    for signature, body in server.signed:
        assert check["is_from_toril"]("k3y", signature, body)
        assert not check["is_from_toril"]("other", signature, body)
        assert not check["is_from_toril"]("k3y", signature, body + b" ")
        later = signature.replace(signature[2:12], str(int(signature[2:12]) + 1))
        assert not check["is_from_toril"]("k3y", later, body)
    old = webhooks.signature("k3y", b"{}", int(time.time()) - 400)
    assert not any(check["is_from_toril"]("k3y", one, b"{}") for one in (old, "", "t=é,v1=é", "v1="))


@pytest.mark.parametrize("name", ["KEY", "TORIL_NOTIFY_SECRET"])
def test_a_webhook_without_its_key_sends_nothing(name):
    delivery = webhook_of(Notice(webhook="https://h.example", secret=name), plan_of(), {"KEY": "guessed"}).send(FAILED)
    assert (delivery.status, delivery.attempts) == ("refused", 0)


def test_workers_get_no_key_of_a_webhook():
    plan = plan_of().model_copy(
        update={"notices": (Notice(webhook="https://h.example", secret="KEY"),), "secrets": {"KEY": "a", "TOKEN": "b"}}
    )
    assert plan.secrets_of_workers == {"TOKEN": "b"}


def test_a_chat_gets_a_message_without_markup_of_strangers():
    with hook() as server:
        server.webhook(format="slack")[0].send(replace(FAILED, suite="<!channel> & shop"))
    (body,) = server.bodies
    assert body.keys() == {"text", "blocks"}
    assert "<!channel>" not in json.dumps(body)
    linked = replace(FAILED, links={**FAILED.links, "run": "https://console.example/runs/r"})
    assert "<https://console.example/runs/r|Run>" in str(slack_message(linked))
    assert slack_message(FAILED)["blocks"][0]["text"]["text"].startswith("❌ *shop*")


def test_teams_gets_a_card_with_plain_texts_and_a_button():
    linked = replace(FAILED, suite="[shop](http://x)", links={"run": "https://console.example/runs/r"})
    with hook() as server:
        server.webhook(format="teams")[0].send(replace(linked, reasons=(Reason(code="breach", message="p95 is 2 s"),)))
    (body,) = server.bodies
    (attachment,) = body["attachments"]
    card = attachment["content"]
    assert (body["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}  # shows no Markdown
    runs = [run for block in card["body"] for run in block["inlines"]]
    assert [run["text"] for run in runs] == ["❌ [shop](http://x): ", FAILED.headline, "• p95 is 2 s"]
    assert runs[1]["color"] == "Attention"
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Run", "url": "https://console.example/runs/r"}]


def test_pagerduty_gets_an_alert_of_the_suite_that_a_passed_run_resolves(monkeypatch):
    monkeypatch.setattr(webhooks, "read_secrets", lambda places: dict.fromkeys(places, "r0ut3"))
    inconclusive = replace(FAILED, outcome="inconclusive")
    with hook() as server:
        notice = Notice(webhook=server.url, on=("finished",), secret="KEY", format="pagerduty")
        plan = plan_of().model_copy(update={"secrets": {"KEY": "shop/key"}})
        for event in (
            FAILED,
            inconclusive,
            replace(FAILED, tags={"stage": "dev", "part": "buy"}),
            replace(FAILED, outcome="passed"),
        ):
            assert webhook_of(notice, plan, {}).send(event).status == "delivered"
    failed, warned, of_stage, passed = server.bodies
    assert failed["payload"] == {
        "summary": "shop: 1 of 2 criteria breached",
        "source": "shop",
        "severity": "error",
        "custom_details": {"run": "", "reasons": []},
    }
    assert [one["event_action"] for one in server.bodies] == ["trigger", "trigger", "trigger", "resolve"]
    assert [one["dedup_key"] for one in server.bodies] == [
        "toril:shop",
        "toril:shop",
        "toril:shop@dev@buy",
        "toril:shop",
    ]
    assert {one["routing_key"] for one in server.bodies} == {"r0ut3"}
    assert (warned["payload"]["severity"], of_stage["payload"]["source"]) == ("warning", "shop@dev@buy")
    assert "payload" not in passed
    assert not any(signed for signed, _ in server.signed)


def test_pagerduty_gets_nothing_without_a_routing_key():
    address = "https://events.eu.pagerduty.com/v2/enqueue"
    delivery = webhook_of(Notice(webhook=address, on=("failed",)), plan_of(), {}).send(FAILED)
    assert (delivery.status, delivery.attempts) == ("refused", 0)


class Bus:
    """EventBridge's client."""

    def __init__(self, **entry: str) -> None:
        self.entry = entry
        self.put: list[dict[str, str]] = []

    def put_events(self, Entries):
        self.put += Entries
        return {"FailedEntryCount": len(self.entry), "Entries": [self.entry]}


def test_an_owner_on_aws_puts_events_on_the_bus_of_its_region():
    bus = Bus(EventId="1")
    asked: list[tuple[str, str]] = []

    def client(service: str, region: str) -> Bus:
        asked.append((service, region))
        return bus

    receiver = EventSender("eu-west-1", client)
    assert receiver.send(FAILED).status == "delivered"
    assert asked == [("events", "eu-west-1")]
    (entry,) = bus.put
    assert (entry["Source"], entry["DetailType"]) == ("toril", "run-finished")
    assert json.loads(entry["Detail"])["outcome"] == "failed"
    assert EventSender("eu-west-1", lambda *_: Bus(ErrorCode="ThrottlingException")).send(FAILED).status == "refused"


def test_a_schedule_that_starts_no_run_is_an_event(tmp_path):
    store = FolderStore(tmp_path)
    with pytest.raises(SuiteError), Observing(store, SteppedClock(), {"TORIL_SCHEDULE": "nightly"}, print):
        raise SuiteError("suite.yml: a typing error", code="unknown-key")
    event = stored(store)["schedule-failed"]
    assert (event.schedule, [one.code for one in event.reasons]) == ("nightly", ["unknown-key"])


def test_a_webhook_of_the_suite_gets_the_failure_of_its_schedule(tmp_path):
    environment = {"TORIL_SCHEDULE": "nightly"}
    with hook() as server, pytest.raises(InfrastructureError):
        plan = plan_of().model_copy(update={"notices": (Notice(webhook=server.url, on=("schedule-failed",)),)})
        with Observing(FolderStore(tmp_path), SteppedClock(), environment, print) as observing:
            observing.of(plan)
            raise InfrastructureError("eu-west-1: no capacity", code="no-capacity")
    assert [body["kind"] for body in server.bodies] == ["schedule-failed"]


def test_a_command_of_a_person_that_starts_no_run_is_none(tmp_path):
    store = FolderStore(tmp_path)
    with pytest.raises(SuiteError), Observing(store, SteppedClock(), {}, print):
        raise SuiteError("suite.yml: a typing error", code="unknown-key")
    assert stored(store) == {}


def test_events_of_two_nights_differ(tmp_path):
    store = FolderStore(tmp_path)
    first, second = (failed_schedule(store, "nightly", at, "c", "m") for at in (time.time(), time.time() + 86_400))
    assert first.id != second.id
