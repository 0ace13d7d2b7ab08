"""Requests to S3, each repeated for a while if it may succeed a little later."""

from collections.abc import Callable, Set
from contextlib import closing
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any

from botocore.exceptions import ClientError

from toril.store.s3_faults import CALL_ERRORS, Request, code_of, fault_of, passes

FIRST_PATIENCE_S = 15.0  # while nothing has ever answered: more likely a wrong address than a moment's trouble
FIRST_WAIT_S, LONGEST_WAIT_S = 0.4, 8.0
LEAST_OF_A_WAIT = 0.25  # waits differ, lest those who were refused together come back together


@dataclass(slots=True)
class Requests:
    """A client with patience; for many threads at once."""

    client: Any
    patience_s: float
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    answered: bool = False  # anything, ever
    random: SystemRandom = field(default_factory=SystemRandom)

    def answer(self, request: Request, unless: Set[str], **asked: Any) -> Any:
        """The answer, its body read, or that of an error of those codes, which has the key `Error`."""
        began, wait_s = self.monotonic(), FIRST_WAIT_S
        while True:
            try:
                answer = getattr(self.client, request.operation)(Bucket=request.bucket, **asked)
                if request.operation == "get_object":
                    with closing(answer["Body"]) as body:
                        answer["Body"] = body.read(None if request.most is None else request.most + 1)
                self.answered = True
                return answer
            except CALL_ERRORS as error:
                code = code_of(error)
                self.answered = self.answered or code is not None
                if isinstance(error, ClientError) and code in unless:
                    return error.response
                own_s = wait_s * self.random.uniform(LEAST_OF_A_WAIT, 1)
                limit_s = self.patience_s if self.answered else min(FIRST_PATIENCE_S, self.patience_s)
                waited_s = self.monotonic() - began
                if not passes(error) or waited_s + own_s > limit_s:
                    raise fault_of(error, request, self.client, waited_s) from error
                self.sleep(own_s)
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
