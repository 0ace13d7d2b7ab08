"""A monthly budget of the environment, reported by email."""

import pulumi
import pulumi_aws as aws

from infra.place import Place
from infra.settings.hub import Budget

TAG = "toril:environment"
ACTUAL_PERCENT = (50, 80, 100)


class Costs(pulumi.ComponentResource):
    """The budget. It counts resources with the environment's tag, after the tag is a cost allocation tag.

    The paying account activates that tag by hand, once, a day after its first use. No stack does: a second stack with
    the same switch would turn it off for the first.
    """

    def __init__(self, name: str, budget: Budget, place: Place, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("toril:hub:Costs", name, {}, opts)
        made = aws.budgets.Budget(
            name,
            name=place.names.base,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{budget.monthly_usd:.2f}",
            limit_unit="USD",
            cost_filters=[{"name": "TagKeyValue", "values": [f"user:{TAG}${place.names.environment}"]}],
            notifications=notifications(budget),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"budget": made.name})


def notifications(budget: Budget) -> "list[aws.budgets.BudgetNotificationArgsDict]":
    """Returns notifications at 50, 80 and 100 % of the month's limit, and at a forecast of 100 %."""
    points = [*(("ACTUAL", percent) for percent in ACTUAL_PERCENT), ("FORECASTED", 100)]
    return [
        {
            "comparison_operator": "GREATER_THAN",
            "notification_type": kind,
            "threshold": percent,
            "threshold_type": "PERCENTAGE",
            "subscriber_email_addresses": sorted(budget.emails),
        }
        for kind, percent in points
    ]
