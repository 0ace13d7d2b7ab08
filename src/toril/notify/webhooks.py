"""Sends events to webhooks: as `toril.event/1`, or as a message that Slack and compatible services show.

An address may be a secret, so no record and no message has more than its host.
"""

import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from toril.aws.secrets import read_secrets
from toril.errors import OptionError, UserError
from toril.records import Notice, Plan
from toril.records.event import NOTIFY_SECRET, PENDING, SLACK, Delivery, Event, Trying, untold
from toril.store.connections import is_safe_address, pool_for

PAUSES_S = (1.0, 2.0, 4.0, 8.0)  # between the tries
LONGEST_PAUSE_S = 10.0  # of a `Retry-After`
TIMEOUT_S = 5.0
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
SIGNATURE = "Toril-Signature"
MOST_LINES = 10  # reasons in a chat
MARKS = {"passed": "✅", "failed": "❌", "inconclusive": "⚠️"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One webhook of a run. `address` returns its URL, and `secret` the key of its signatures, empty for none.

    Both may read a secret, and raise a UserError.
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
        except UserError as error:
            return Delivery(to=self.name, status="refused", at=event.at, message=str(error)[:300])
        host = urlsplit(url).hostname or ""
        body = body_of(event, "slack" if host == SLACK else self.format)
        headers = {"Content-Type": "application/json", "Idempotency-Key": event.id, "User-Agent": "toril"}
        timeout, pool = Timeout(connect=TIMEOUT_S, read=TIMEOUT_S), pool_for(url)
        attempts, why, final = 0, "", False
        for pause_s in (*PAUSES_S, None):
            attempts += 1
            signed = {SIGNATURE: signature(secret, body, int(time.time()))} if secret else {}
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


def body_of(event: Event, form: str) -> bytes:
    return json.dumps(slack_message(event) if form == "slack" else event.to_send()).encode()


def slack_message(event: Event) -> dict[str, Any]:
    """Returns an event as a chat message: what happened, the first reasons, and the links.

    >>> slack_message(Event(id="r:run-started", kind="run-started", at=0, suite="a<b", headline="Started"))["text"]
    'a&lt;b: Started'
    """
    mark = MARKS.get(event.outcome, "")
    first = " ".join(filter(None, (mark, f"*{_slack(event.suite or event.schedule)}*", _slack(event.headline))))
    reasons = [reason.message or reason.code for reason in event.reasons] + [hit.message for hit in event.standouts]
    lines = [first, *(f"• {_slack(reason)}" for reason in dict.fromkeys(reasons[:MOST_LINES]))]
    lines += [f"<{event.links['run']}|Run>"] if "run" in event.links else []
    lines += [f"`{_slack(event.links['report'])}`"] if "report" in event.links else []
    plain = f"{_slack(event.suite or event.schedule)}: {_slack(event.headline)}"
    return {"text": plain, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)[:3000]}}]}


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
