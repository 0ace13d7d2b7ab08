"""What a test can let go wrong in an embedded cloud."""

from typing import Any


class Faults:
    """The part of `Cloud` that lets things go wrong; a reset ends all of it."""

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
        """Answer the next calls of an operation (`"ecs", "RunTask"`) with an error, and do nothing.

        In all regions or in one; where `saying` is given, only calls that have it in their path or body, such as a key.
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
        """Do what the next calls of an operation ask for, and answer them with an error all the same."""
        error = {"code": code, "message": message, "status": status}
        self._fault(service, operation, times, region=region, saying=saying, done=True, **error)

    def delay_next(
        self,
        service: str,
        operation: str,
        delay_s: float,
        *,
        times: int = 1,
        region: str | None = None,
        saying: str = "",
    ) -> None:
        """Let the next calls of an operation wait before anything is done."""
        self._fault(service, operation, times, region=region, saying=saying, delay_s=delay_s)

    def limit(self, service: str, operation: str, rate_per_s: float, burst: int, *, region: str) -> None:
        """Throttle calls of an operation as AWS does: `burst` at once, `rate_per_s` from then on."""
        asked = {"operation": operation, "rate_per_s": rate_per_s, "burst": burst}
        self.control("limit", account=self.account, region=region, service=service, **asked)

    def fail_next_tasks(self, region: str, *reasons: str) -> None:
        """Let the next tasks of a region, one for each reason, come to `failures[]` of RunTask."""
        found = [{"reason": reason} for reason in reasons]
        self.control("failures", account=self.account, region=region, failures=found)

    def fail_next_starts(self, region: str, *reasons: str) -> None:
        """Let the next tasks of a region, one for each reason, be accepted and stop before they run."""
        self.control("starts", account=self.account, region=region, failing=reasons)

    def hold_starts(self, region: str, seconds: float | None = None) -> None:
        """Let tasks of a region stay PENDING so long, or for ever; 0 lets them go, those that wait included."""
        self.control("starts", account=self.account, region=region, ready_after_s=seconds)

    def duplicate_next_tasks(self, region: str, times: int = 1) -> None:
        """Let the next calls of RunTask start everything twice and name it once."""
        self.control("starts", account=self.account, region=region, twins=times)

    def interrupt(self, task_arn: str) -> None:
        """Take a task away, as Fargate Spot does: SIGTERM, stopTimeout, SIGKILL, and its stop code."""
        self.control("task", task=task_arn, what="interrupt")

    def kill(self, task_arn: str) -> None:
        """SIGKILL for every process of a task, as when its machine is gone."""
        self.control("task", task=task_arn, what="kill")

    def freeze(self, task_arn: str) -> None:
        """Let every process of a task stand still, until `thaw` or its end."""
        self.control("task", task=task_arn, what="freeze")

    def thaw(self, task_arn: str) -> None:
        """Let a frozen task go on."""
        self.control("task", task=task_arn, what="thaw")

    def run_out_of_memory(self, task_arn: str) -> None:
        """Kill a task as the kernel does that has no memory left for it, with AWS' reason."""
        self.control("task", task=task_arn, what="out of memory")

    def expire(self, access_key: str) -> None:
        """Let credentials be too old: from now on whoever signs with them gets ExpiredToken."""
        self.control("expire", access_key=access_key)

    def _fault(self, service: str, operation: str, times: int, **more: Any) -> None:
        asked = {"region": None, "saying": "", "delay_s": 0, "done": False, **more}
        self.control("fault", service=service, operation=operation, times=times, **asked)
