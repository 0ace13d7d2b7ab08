"""Faults that a test can cause in an embedded cloud."""

from typing import Any


class Faults:
    """The part of `Cloud` that causes faults. A reset ends all of them."""

    account: str

    def control(self, command: str, /, **asked: Any) -> Any:
        raise NotImplementedError

    def fail_next(
        self,
        service: str,
        operation: str,
        code: str = "ThrottlingException",
        *,
        times: int = 1,
        message: str = "Rate exceeded",
        status: int = 400,
        region: str | None = None,
        saying: str = "",
    ) -> None:
        """Answers the next calls of an operation (`"ecs", "RunTask"`) with an error, and does nothing.

        Affects all regions or one. With `saying`, affects only calls with that text, such as a key, in path or body.
        """
        error = {"code": code, "message": message, "status": status}
        self._fault(service, operation, times, region=region, saying=saying, **error)

    def lose_answers(
        self,
        service: str,
        operation: str,
        code: str = "InternalError",
        *,
        times: int = 1,
        message: str = "We encountered an internal error. Please try again.",
        status: int = 500,
        region: str | None = None,
        saying: str = "",
    ) -> None:
        """Executes the next calls of an operation, but answers them with an error."""
        error = {"code": code, "message": message, "status": status}
        self._fault(service, operation, times, region=region, saying=saying, done=True, **error)

    def fail_next_tasks(self, region: str, *reasons: str) -> None:
        """Makes the next tasks of a region, one for each reason, appear in `failures[]` of RunTask."""
        found = [{"reason": reason} for reason in reasons]
        self.control("failures", account=self.account, region=region, failures=found)

    def fail_next_starts(self, region: str, *reasons: str) -> None:
        """Accepts the next tasks of a region, one for each reason, and stops them before they run."""
        self.control("starts", account=self.account, region=region, failing=reasons)

    def hold_starts(self, region: str, seconds: float | None = None) -> None:
        """Keeps tasks of a region PENDING for this time, or forever. 0 releases all, including waiting ones."""
        self.control("starts", account=self.account, region=region, ready_after_s=seconds)

    def duplicate_next_tasks(self, region: str, times: int = 1) -> None:
        """Makes the next calls of RunTask start every task twice and return it once."""
        self.control("starts", account=self.account, region=region, twins=times)

    def kill(self, task_arn: str) -> None:
        """Sends SIGKILL to every process of a task, as if its machine failed."""
        self.control("task", task=task_arn, what="kill")

    def freeze(self, task_arn: str) -> None:
        """Freezes every process of a task, until its end."""
        self.control("task", task=task_arn, what="freeze")

    def run_out_of_memory(self, task_arn: str) -> None:
        """Kills a task like a kernel without memory, with AWS's reason."""
        self.control("task", task=task_arn, what="out of memory")

    def expire(self, access_key: str) -> None:
        """Expires credentials: requests signed with them get ExpiredToken from now on."""
        self.control("expire", access_key=access_key)

    def _fault(self, service: str, operation: str, times: int, **more: Any) -> None:
        asked = {"region": None, "saying": "", "done": False, **more}
        self.control("fault", service=service, operation=operation, times=times, **asked)
