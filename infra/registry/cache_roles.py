"""The roles that ECR assumes to fill caches. Depend on the whole component: ECR uses the roles immediately."""

from collections.abc import Sequence

import pulumi

from infra.permissions.grants import service_trust
from infra.permissions.role import make_role
from infra.place import Place
from infra.registry.cache_policies import crosses_accounts, template_policy, upstream_role_policy
from infra.settings import CacheSettings


class CacheRoles(pulumi.ComponentResource):
    """`templates` makes tagged and encrypted repositories. `upstreams`, if any, reads other accounts' registries."""

    templates: pulumi.Output[str]
    upstreams: pulumi.Output[str] | None = None

    def __init__(
        self,
        name: str,
        caches: Sequence[CacheSettings],
        place: Place,
        key: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("toril:region:CacheRoles", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        prefixes = [cache.prefix for cache in caches]
        creation = pulumi.Output.from_input(key or "").apply(lambda arn: template_policy(place, prefixes, arn or None))
        self.templates = make_role(
            f"{name}-templates",
            place,
            place.names.cache_templates(place.region),
            "ECR makes the repositories of pull-through caches",
            service_trust("ecr.amazonaws.com", {}),
            {"create": creation},
            own,
            path="/",  # the schema of CloudFormation's RepositoryCreationTemplate allows no path in the role's ARN
        ).arn
        others = [cache for cache in caches if crosses_accounts(cache, place) and not cache.role]
        if others:
            self.upstreams = make_role(
                f"{name}-upstreams",
                place,
                place.names.role("cache-upstreams", place.region),
                "ECR pulls from registries of other accounts",
                service_trust("pullthroughcache.ecr.amazonaws.com", {}),
                {"pull": upstream_role_policy(place, others)},
                own,
            ).arn
        self.register_outputs({})
