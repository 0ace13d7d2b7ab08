"""The private registry: the workers' repository, the stack's other ones, and registry-wide settings."""

import json
from collections.abc import Iterable

import pulumi
import pulumi_aws as aws

from infra.permissions.grants import EVERYBODY, grant
from infra.permissions.statements import Statement, document, render
from infra.place import Place
from infra.settings import RegionSettings
from infra.settings.region import Grant, Repository

PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
PUSH = ("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart")
RIGHTS = {"pull": PULL, "push": (*PULL, *PUSH)}


def lifecycle(keep: int, keep_untagged_days: int | None = None) -> str:
    """Returns the lifecycle policy: untagged images expire by age, others if there are more than `keep`.

    None: only the number counts. A cache has images without a tag: those of an index, and those whose tag moved.
    """
    untagged: dict[str, str | int] = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days"}
    rules = []
    if keep_untagged_days is not None:
        rules.append(_expire(1, "images without a tag", {**untagged, "countNumber": keep_untagged_days}))
    by_number: dict[str, str | int] = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": keep}
    return json.dumps({"rules": [*rules, _expire(len(rules) + 1, "the oldest", by_number)]}, sort_keys=True)


def _expire(priority: int, description: str, selection: dict[str, str | int]) -> dict[str, object]:
    return {
        "rulePriority": priority,
        "description": description,
        "selection": selection,
        "action": {"type": "expire"},
    }


def grant_statements(grants: Iterable[Grant], partition: str, resources: Iterable[str] = ()) -> list[Statement]:
    """Returns statements of a repository's policy or, with `resources`, of the registry's policy."""
    return [_grant(f"Grant{number}", one, partition, tuple(resources)) for number, one in enumerate(grants, start=1)]


def _grant(sid: str, one: Grant, partition: str, resources: tuple[str, ...]) -> Statement:
    actions = {action for right in one.rights for action in RIGHTS[right]}
    who = one.principal
    if who.startswith("o-"):
        return grant(sid, EVERYBODY, actions, resources, {"StringEquals": {"aws:PrincipalOrgID": who}})
    return grant(sid, {"AWS": f"arn:{partition}:iam::{who}:root" if who.isdigit() else who}, actions, resources)


class Registry(pulumi.ComponentResource):
    """ECR of one region. Registry settings that the stack does not set stay unchanged: another stack may own them."""

    worker_repository: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: RegionSettings,
        place: Place,
        key: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("toril:region:Registry", name, {}, opts)
        own = Repository(name=place.names.repository)
        made = {
            repository.name: self._repository(name, repository, settings.protect, place, key)
            for repository in (own, *settings.repositories)
        }
        self.worker_repository = made[own.name].repository_url
        self._singletons(name, settings, place)
        self.register_outputs({"workerRepository": self.worker_repository})

    def _repository(
        self, name: str, repository: Repository, protect: bool, place: Place, key: pulumi.Input[str] | None
    ) -> aws.ecr.Repository:
        made = aws.ecr.Repository(
            f"{name}-{repository.name}",
            name=repository.name,
            region=place.region,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[
                {"encryption_type": "KMS", "kms_key": key} if key else {"encryption_type": "AES256"}
            ],
            force_delete=not protect,
            opts=pulumi.ResourceOptions(parent=self, protect=protect),
        )
        # children would inherit the protection, which would keep revoked rights
        child = pulumi.ResourceOptions(parent=made, protect=False)
        aws.ecr.LifecyclePolicy(
            f"{name}-{repository.name}",
            region=place.region,
            repository=made.name,
            policy=lifecycle(repository.keep, repository.keep_untagged_days),
            opts=child,
        )
        if repository.grants:
            aws.ecr.RepositoryPolicy(
                f"{name}-{repository.name}",
                region=place.region,
                repository=made.name,
                policy=render(document(grant_statements(repository.grants, place.partition))),
                opts=child,
            )
        return made

    def _singletons(self, name: str, settings: RegionSettings, place: Place) -> None:
        registry, child = settings.registry, pulumi.ResourceOptions(parent=self)
        if registry.policy:
            everything = [place.arn("ecr", "repository/*")]
            policy = render(document(grant_statements(registry.policy, place.partition, everything)))
            # in older accounts the scope is V1, whose policies allow three actions only
            scope = aws.ecr.AccountSetting(
                name, name="REGISTRY_POLICY_SCOPE", value="V2", region=place.region, opts=child
            )
            after = pulumi.ResourceOptions(parent=self, depends_on=[scope])
            aws.ecr.RegistryPolicy(name, region=place.region, policy=policy, opts=after)
        if registry.scanning:
            frequency = "CONTINUOUS_SCAN" if registry.scanning == "ENHANCED" else "SCAN_ON_PUSH"
            aws.ecr.RegistryScanningConfiguration(
                name,
                region=place.region,
                scan_type=registry.scanning,
                rules=[
                    {
                        "scan_frequency": frequency,
                        "repository_filters": [{"filter": "*", "filter_type": "WILDCARD"}],
                    }
                ],
                opts=child,
            )
        if registry.replicate_to:
            aws.ecr.ReplicationConfiguration(
                name,
                region=place.region,
                replication_configuration={
                    "rules": [
                        {
                            "destinations": [
                                {"region": region, "registry_id": place.account}
                                for region in sorted(registry.replicate_to)
                            ]
                        }
                    ]
                },
                opts=child,
            )
