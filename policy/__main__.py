"""The rules of infra/rules.py as a policy pack: `pulumi preview --policy-pack policy`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from infra.rules import reasons, stack_reasons


def check_resource(args: ResourceValidationArgs, report: ReportViolation) -> None:
    for reason in reasons(args.resource_type, args.props):
        report(reason, None)


def check_stack(args: StackValidationArgs, report: ReportViolation) -> None:
    for reason in stack_reasons((one.resource_type, one.props) for one in args.resources):
        report(reason, None)


PolicyPack(
    name="toril",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        ResourceValidationPolicy(name="resource", description="Each resource keeps the rules", validate=check_resource),
        StackValidationPolicy(name="stack", description="Each bucket has all its parts", validate=check_stack),
    ],
)
