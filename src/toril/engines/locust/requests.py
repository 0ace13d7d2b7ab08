"""The Locust script of a suite's generated requests; copied beside the run's other artifacts and read by Locust.

TORIL_REQUESTS names a JSON file that `locust/executor.py` writes: host, timeout_s, headers, steps, sign and base. A
step is a request or {"transaction": label, "steps": [...]}. One pass through the steps is one iteration. In a duet the
rest is head's, and `base` has the same of base.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,union-attr"

import json
import os
import re
import sys
import time
from pathlib import Path

from locust import FastHttpUser, task

SCENARIO = json.loads(Path(os.environ["TORIL_REQUESTS"]).read_text())
SIGNING = sys.modules["in_process"].load_module("signing") if SCENARIO["sign"] else None
SIGNER = SIGNING.Signer(SCENARIO["sign"]) if SIGNING else None


def failure_of(response, check) -> str:
    """Returns the message of a failed assertion; "" if it holds."""
    subject = {
        "body": lambda: (response.content or b"").decode("utf-8", "replace"),
        "http-code": lambda: str(response.status_code),
        "headers": lambda: "\n".join(f"{name}: {value}" for name, value in (response.headers or {}).items()),
    }[check["subject"]]()
    matches = [bool(re.search(text, subject)) if check["regexp"] else text in subject for text in check["contains"]]
    if check["not"] and any(matches):
        return f"{check['contains']} found in {check['subject']}"
    if not check["not"] and not all(matches):
        return f"{check['contains']} not found in {check['subject']}"
    return ""


CONNECT_S = 10.0  # includes the TLS handshake, to which a service without HTTPS may never respond


class Requests(FastHttpUser):
    """Sends the suite's requests in order."""

    host = SCENARIO["host"]
    connection_timeout = min(CONNECT_S, SCENARIO["timeout_s"])
    network_timeout = SCENARIO["timeout_s"]
    default_headers = SCENARIO["headers"]
    concurrency = 1  # connections
    steps = SCENARIO["steps"]
    toril_of_base = SCENARIO["base"] and {
        "default_headers": SCENARIO["base"]["headers"],
        "steps": SCENARIO["base"]["steps"],
    }  # what differs for the users of base, see the wrapper

    @task
    def one_iteration(self) -> None:
        self.run_steps(self.steps)

    def run_steps(self, steps, *, pauses_last=True) -> bool:
        """Send the requests; returns whether all succeeded."""
        results = []
        for number, step in enumerate(steps, 1):
            results.append(self.transact(step) if "transaction" in step else self.send(step))
            if number < len(steps) or pauses_last:
                self.pause_after(step)
        return all(results)

    def pause_after(self, step) -> None:
        """Waits for the think time of a request, or of the last one of a transaction."""
        while step.get("steps"):
            step = step["steps"][-1]
        if step.get("think_time_s"):
            self._taskset_instance._sleep(step["think_time_s"])  # in a duet by the user's own clock

    def transact(self, step) -> bool:
        started, clock = time.time(), time.perf_counter()
        ok = self.run_steps(step["steps"], pauses_last=False)  # the last pause is no part of the transaction
        self.environment.events.request.fire(
            request_type="transaction",
            name=step["transaction"],
            response_time=(time.perf_counter() - clock) * 1000,
            response_length=0,
            exception=None if ok else AssertionError("a request of the transaction failed"),
            context={},
            start_time=started,
        )
        return ok

    def send(self, step) -> bool:
        checks, headers = step["assert"], step["headers"]
        if SIGNER:
            headers = {**headers}
            url = step["url"] if "://" in step["url"] else self.host + step["url"]
            SIGNER.sign(step["method"], url, headers, step["body"])
        response = self.client.request(
            step["method"],
            step["url"],
            name=step["label"],
            data=step["body"],
            headers=headers,
            allow_redirects=step["follow_redirects"],
            catch_response=bool(checks),
        )
        ok = bool(response.status_code) and response.ok
        if checks:
            with response:
                decided = any(check["subject"] == "http-code" for check in checks)
                failures = [failure_of(response, check) for check in checks] if response.status_code else []
                response.request_meta["context"] = {"toril_asserted": list(zip(checks, failures, strict=False))}
                wrong = next(filter(None, failures), None)
                if wrong:
                    response.failure(wrong)
                elif decided and response.status_code:
                    response.success()  # a status that the suite asserts is a success, even an error's
                ok = wrong is None and bool(response.status_code) and (decided or response.ok)
        return ok
