"""Starts, finds and stops experiments of AWS Fault Injection Service (FIS).

The same client token starts one experiment. Tags name the run and the number of the fault. An
experiment also gets the tag of the AWS environment from its template, because rights depend on this tag.
"""

from typing import Any

from toril.aws.client import ClientSettings, call, clients
from toril.records import Fault

# A call takes less than a lease's 15 s; the caller repeats it.
SETTINGS = ClientSettings(connect_timeout_s=3, read_timeout_s=5, fips_if_there=True)
ENVIRONMENT = "toril:environment"
OVER = {"completed": True, "stopped": True, "failed": False, "cancelled": False}  # status → whether it had an effect


def _tags(run_id: str, number: int) -> dict[str, str]:
    return {"toril:run": run_id, "toril:fault": str(number)}


class Experiments:
    """The experiments of this environment's account."""

    def __init__(self) -> None:
        self._clients = clients(SETTINGS)

    def start(self, run_id: str, number: int, fault: Fault) -> str:
        client = self._client(fault)
        template = call(client.get_experiment_template, "fis:GetExperimentTemplate", id=fault.experiment)
        its = {name: tag for name, tag in template["experimentTemplate"].get("tags", {}).items() if name == ENVIRONMENT}
        asked = {"clientToken": f"{run_id}/{number}", "tags": {**its, **_tags(run_id, number)}}
        answer = call(client.start_experiment, "fis:StartExperiment", experimentTemplateId=fault.experiment, **asked)
        return str(answer["experiment"]["id"])

    def find(self, run_id: str, number: int, fault: Fault) -> str:
        pages = self._client(fault).get_paginator("list_experiments").paginate(experimentTemplateId=fault.experiment)
        for experiment in call(lambda: [one for page in pages for one in page["experiments"]], "fis:ListExperiments"):
            if _tags(run_id, number).items() <= experiment.get("tags", {}).items():
                return str(experiment["id"])
        return ""

    def ended(self, fault: Fault, id: str) -> tuple[float | None, str] | None:
        experiment = call(self._client(fault).get_experiment, "fis:GetExperiment", id=id)["experiment"]
        state, at = experiment["state"], experiment.get("endTime")
        if (effective := OVER.get(state["status"])) is None:
            return None
        failure = "" if effective else f"experiment {id} {state['status']}: {state.get('reason', '')}"
        return None if at is None else at.timestamp(), failure

    def stop(self, fault: Fault, id: str) -> None:
        call(self._client(fault).stop_experiment, "fis:StopExperiment", id=id)

    def _client(self, fault: Fault) -> Any:
        return call(lambda: self._clients("fis", fault.region), "the AWS settings")
