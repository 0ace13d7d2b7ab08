"""EventBridge: failed invocations, which MiniStack does not count."""

import json
import logging
from typing import Any

from ministack import app as gateway
from ministack.services import cloudwatch, eventbridge, sns

from tests.cloud.server.gateway import Request

DEFAULT = "default"
PRINCIPAL = "events.amazonaws.com"
_invoke = eventbridge._invoke_target


def install() -> None:
    eventbridge._invoke_target = _invoke_or_count


def _invoke_or_count(target: Request, event: Request, rule: Request, view: Any = None) -> None:
    """Invokes a target. A failure is silent, like on AWS: only the metric FailedInvocations shows it."""
    view = view or eventbridge._pattern_event_view(event)
    failure = _failure(target, rule, view)
    if not failure:
        _invoke(target, event, rule, view)
        return
    logging.getLogger("events").warning("%s: %s: %s", rule["Name"], target["Arn"], failure)
    bus = rule.get("EventBusName", DEFAULT)
    dimensions = {"RuleName": rule["Name"], **({} if bus == DEFAULT else {"EventBusName": bus})}
    cloudwatch.record_metric("AWS/Events", "FailedInvocations", 1, dimensions=dimensions)


def _failure(target: Request, rule: Request, view: Any) -> str:
    """Returns why an invocation fails; empty if it does not."""
    if target["Arn"].split(":")[2] == "sns" and not _may_publish(target["Arn"]):
        return "the topic's policy does not allow EventBridge to publish without a condition"
    transformer = target.get("InputTransformer")
    if transformer and transformer["InputTemplate"].lstrip()[:1] in ('"', "{", "["):
        try:
            json.loads(eventbridge._apply_input_transformer(transformer, rule, view))
        except ValueError as error:
            return f"the input is not JSON: {error}"
    return ""


def _may_publish(topic_arn: str) -> bool:
    """Whether a topic's policy allows EventBridge to publish. A condition on EventBridge is never met."""
    topic = sns._topic_by_arn_any_scope(topic_arn) or {}
    policy = json.loads(topic.get("attributes", {}).get("Policy") or '{"Statement": []}')
    named = [one for one in policy["Statement"] if (one.get("Principal") or {}) == {"Service": PRINCIPAL}]
    return any("Condition" not in one for one in named) if named or gateway.AUTH else True
