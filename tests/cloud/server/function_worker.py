"""The runtime inside a Lambda function's process: one JSON line for each invocation, as MiniStack's workers speak it.

It runs without this project's packages, so it imports the standard library alone. What the function prints goes to
standard error, which becomes its log.
"""

import importlib
import json
import os
import sys
import time
import traceback
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Context:
    function_name: str
    memory_limit_in_mb: int
    invoked_function_arn: str
    aws_request_id: str
    deadline_s: float
    function_version: str = "$LATEST"
    log_group_name: str = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
    log_stream_name: str = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline_s - time.time()) * 1000))


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr

    def say(answer: str) -> None:
        sys.stderr.write("\0\n")  # the end of this invocation's log
        sys.stderr.flush()
        answers.write(answer + "\n")
        answers.flush()

    init = json.loads(sys.stdin.readline())
    sys.path[:0] = [init["code"]]
    sys.path += [init["sdk"]]  # the function's own packages come first
    try:
        handler = getattr(importlib.import_module(init["module"]), init["handler"])
    except Exception:
        say(json.dumps({"status": "error", "error": traceback.format_exc()}))
        return
    answers.write('{"status": "ready"}\n')
    answers.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        context = Context(
            function_name=init["name"],
            memory_limit_in_mb=init["memory_mb"],
            invoked_function_arn=asked["ctx"]["invoked_function_arn"],
            aws_request_id=asked["ctx"]["request_id"],
            deadline_s=time.time() + asked["ctx"]["timeout_ms"] / 1000,
        )
        try:
            answer = json.dumps({"status": "ok", "result": handler(asked["event"], context)})
        except Exception as failure:
            answer = json.dumps({"status": "error", "error": str(failure), "trace": traceback.format_exc()})
        say(answer)


if __name__ == "__main__":
    main()
