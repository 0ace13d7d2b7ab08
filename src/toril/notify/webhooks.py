"""Sends events to webhooks: as `toril.event/1`, as a message for Slack or Teams, or as an alert for PagerDuty.

An address may be a secret, so no record and no message has more than its host.
"""

import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from toril.aws.secrets import read_secrets
from toril.errors import OptionError, UserError
from toril.records import Notice, Plan
from toril.records.event import FORMATS, NOTIFY_SECRET, PENDING, Delivery, Event, Trying, untold
from toril.store.connections import is_safe_address, pool_for

PAUSES_S = (1.0, 2.0, 4.0, 8.0)  # between the tries
LONGEST_PAUSE_S = 10.0  # of a `Retry-After`
TIMEOUT_S = 5.0
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
SIGNATURE = "Toril-Signature"
MOST_LINES = 10  # reasons in a chat
CARD = "application/vnd.microsoft.card.adaptive"
COLORS = {"passed": "Good", "failed": "Attention", "inconclusive": "Warning"}  # of Adaptive Cards
SEVERITIES = {"failed": "error", "inconclusive": "warning"}  # of PagerDuty
MARKS = {"passed": "✅", "failed": "❌", "inconclusive": "⚠️"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One webhook of a run. `address` returns its URL; `secret` returns the key of its signatures or of PagerDuty.

    Both may read a secret, and raise a UserError. An empty `secret` signs nothing.
    """

    name: str  # of its host, or of the variable that has the address
    on: frozenset[str]
    format: str
    address: Callable[[], str]
    secret: Callable[[], str] = str
    pause: Callable[[float], None] = time.sleep

    def wants(self, event: Event) -> bool:
        return bool(self.on & names_of(event))

    def send(self, event: Event, trying: Trying = untold) -> Delivery:
        """Sends an event; returns whether it was delivered, refused, or unreachable after all tries."""
        try:
            url, secret = checked(self.address()), self.secret()
            host = urlsplit(url).hostname or ""
            body = body_of(event, form := FORMATS.get(host, self.format), secret)
        except UserError as error:
            return Delivery(to=self.name, status="refused", at=event.at, message=str(error)[:300])
        headers = {"Content-Type": "application/json", "Idempotency-Key": event.id, "User-Agent": "toril"}
        timeout, pool = Timeout(connect=TIMEOUT_S, read=TIMEOUT_S), pool_for(url)
        attempts, why, final = 0, "", False
        for pause_s in (*PAUSES_S, None):
            attempts += 1
            signed = {SIGNATURE: signature(secret, body, int(time.time()))} if secret and form != "pagerduty" else {}
            trying(Delivery(to=host, status=PENDING, attempts=attempts, at=time.time()))
            try:
                answer = pool.request(
                    "POST", url, body=body, headers=headers | signed, timeout=timeout, retries=Retry(0, redirect=False)
                )
            except HTTPError as error:
                why, asked_s = type(error).__name__, ""  # its text has the address
            else:
                if 200 <= answer.status < 300:
                    return Delivery(to=host, status="delivered", attempts=attempts, at=time.time())
                why, asked_s = f"status {answer.status}", answer.headers.get("Retry-After", "")
                final = answer.status not in AGAIN
            if final or pause_s is None:
                break
            self.pause(min(float(asked_s), LONGEST_PAUSE_S) if asked_s.isdecimal() else pause_s)
        status = "refused" if final else "unreachable"
        return Delivery(to=host, status=status, attempts=attempts, at=time.time(), message=why)


def webhook_of(notice: Notice, plan: Plan, environment: Mapping[str, str]) -> Webhook:
    """Returns the webhook of a setting. Its address is read when the first event is sent."""
    name, on = notice.variable, frozenset(notice.on)

    def secret() -> str:
        # Never another variable of the coordinator: a suite's author could guess its value from the signatures.
        if notice.secret in plan.secrets:
            return read_secrets({notice.secret: plan.secrets[notice.secret]})[notice.secret]
        if notice.secret and not (notice.secret == NOTIFY_SECRET and environment.get(NOTIFY_SECRET)):
            text = f"the key {notice.secret} of a webhook is missing; add it to `toril.secrets`"
            raise OptionError(text, code="no-webhook-secret")
        return environment[NOTIFY_SECRET] if notice.secret else ""

    if not name:
        host = urlsplit(notice.webhook).hostname or ""
        return Webhook(name=host, on=on, format=notice.format, address=lambda: notice.webhook, secret=secret)

    def address() -> str:
        for known in (environment, plan.environment):
            if name in known:
                return known[name]
        if name in plan.secrets:
            return read_secrets({name: plan.secrets[name]})[name]
        fix = f"set it in the environment, or add it to `toril.secrets` as {name}"
        raise OptionError(f"webhook {name}: no variable has this name; {fix}", code="no-webhook-address")

    return Webhook(name=name, on=on, format=notice.format, address=address, secret=secret)


def signature(secret: str, body: bytes, at: int) -> str:
    """Returns the value of `Toril-Signature`: the time in seconds since the epoch, and an HMAC-SHA256 of time and body.

    The time lets a receiver refuse a message that a stranger repeats.
    """
    return f"t={at},v1={hmac.digest(secret.encode(), b'%d.' % at + body, 'sha256').hex()}"


def checked(url: str) -> str:
    """Returns a webhook's address; OptionError if it is not https, or http on this machine."""
    if not is_safe_address(url.strip()):
        raise OptionError("the address of the webhook does not begin with https://", code="not-an-address")
    return url.strip()


def names_of(event: Event) -> frozenset[str]:
    """Returns the names in `on` that mean the event: `failed` and `finished` both mean a run that failed."""
    match event.kind:
        case "run-started":
            return frozenset({"started"})
        case "run-finished":
            return frozenset({"finished", event.outcome})
        case "regression-confirmed":
            return frozenset({"regression"})
        case _:
            return frozenset({event.kind})


def body_of(event: Event, form: str, secret: str = "") -> bytes:
    """Returns an event in a format. OptionError without the routing key that PagerDuty needs as `secret`."""
    if form == "pagerduty" and not secret:
        text = "PagerDuty needs a routing key; name its variable as `secret`, or set TORIL_NOTIFY_SECRET"
        raise OptionError(text, code="no-webhook-secret")
    messages: dict[str, Callable[[Event], dict[str, Any]]] = {
        "slack": slack_message, "teams": teams_message, "pagerduty": partial(pagerduty_alert, key=secret)
    }  # fmt: skip
    return json.dumps(messages.get(form, Event.to_send)(event)).encode()


def slack_message(event: Event) -> dict[str, Any]:
    """Returns an event as a chat message: what happened, the first reasons, and the links.

    >>> slack_message(Event(id="r:run-started", kind="run-started", at=0, suite="a<b", headline="Started"))["text"]
    'a&lt;b: Started'
    """
    mark = MARKS.get(event.outcome, "")
    first = " ".join(filter(None, (mark, f"*{_slack(event.suite or event.schedule)}*", _slack(event.headline))))
    lines = [first, *(f"• {_slack(reason)}" for reason in _reasons(event))]
    lines += [f"<{event.links['run']}|Run>"] if "run" in event.links else []
    lines += [f"`{_slack(event.links['report'])}`"] if "report" in event.links else []
    plain = f"{_slack(event.suite or event.schedule)}: {_slack(event.headline)}"
    return {"text": plain, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)[:3000]}}]}


def teams_message(event: Event) -> dict[str, Any]:
    """Returns an event as an Adaptive Card for a Teams workflow. Its texts are plain, without Markdown.

    >>> card = teams_message(Event(id="r:run-started", kind="run-started", at=0, suite="shop", headline="Started"))
    >>> [run["text"] for block in card["attachments"][0]["content"]["body"] for run in block["inlines"]]
    ['shop: ', 'Started']
    """
    title = f"{MARKS.get(event.outcome, '')} {event.suite or event.schedule}: ".lstrip()
    first = _run(title, weight="Bolder"), _run(event.headline, color=COLORS.get(event.outcome, "Default"))
    lines: list[tuple[dict[str, Any], ...]] = [first, *((_run(f"• {reason}"),) for reason in _reasons(event))]
    if "report" in event.links:
        lines.append((_run(event.links["report"], isSubtle=True),))
    run = event.links.get("run")
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": line} for line in lines],
        "actions": [{"type": "Action.OpenUrl", "title": "Run", "url": run}] if run else [],
    }
    return {"type": "message", "attachments": [{"contentType": CARD, "content": card}]}


def _run(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **look}


def pagerduty_alert(event: Event, key: str) -> dict[str, Any]:
    """Returns an event for PagerDuty's Events API v2: a passed run resolves the alert of its suite.

    Each stage and part of a suite has an alert of its own.
    """
    about = "@".join(filter(None, (event.suite or event.schedule, *map(event.tags.get, ("stage", "part")))))
    alert = {"routing_key": key, "dedup_key": f"toril:{about}"[:255], "event_action": "resolve"}
    if event.outcome == "passed":
        return alert
    payload = {
        "summary": f"{about}: {event.headline}"[:1024],
        "source": about,
        "severity": SEVERITIES.get(event.outcome, "error" if event.reasons else "info"),
        "custom_details": {"run": event.run_id, "reasons": _reasons(event)},
    }
    links = [{"href": address, "text": name} for name, address in event.links.items() if name == "run"]
    return {**alert, "event_action": "trigger", "client": "toril", "payload": payload, "links": links}


def _reasons(event: Event) -> list[str]:
    """Returns the first reasons and standouts, each once."""
    reasons = [reason.message or reason.code for reason in event.reasons] + [hit.message for hit in event.standouts]
    return list(dict.fromkeys(reasons[:MOST_LINES]))


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
