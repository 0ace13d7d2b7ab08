"""ECR and ECR Public."""

from tests.infra.engine.kinds import ARN, ID, TAGS, Kind, Tagging, call, derived, given, has, look

TAGGING = Tagging(
    add=call("TagResource", resourceArn=ARN, tags=TAGS),
    remove=call("UntagResource", resourceArn=ARN, tagKeys=lambda view: sorted(view.tags)),
    look=look("ListTagsForResource", "tags", resourceArn=ARN),
    at="@",
)
TEMPLATE = "description imageTagMutability lifecyclePolicy appliedFors customRoleArn resourceTags"

KINDS = {
    "aws:ecr/repository:Repository": Kind(
        service="ecr",
        create=(
            call(
                "CreateRepository",
                "name:repositoryName imageTagMutability "
                "imageScanningConfiguration encryptionConfigurations:encryptionConfiguration",
                tags=TAGS,
            ),
        ),
        id="repository.repositoryName",
        read=(look("DescribeRepositories", "repositories[0]", repositoryNames=lambda view: [view.id]),),
        delete=(call("DeleteRepository", repositoryName=ID, force=given("forceDelete", False)),),
        replaces="name encryptionConfigurations",
        updates={
            "imageTagMutability": (
                call(
                    "PutImageTagMutability",
                    repositoryName=ID,
                    imageTagMutability=given("imageTagMutability", "MUTABLE"),
                ),
            ),
            "imageScanningConfiguration": (
                call(
                    "PutImageScanningConfiguration",
                    repositoryName=ID,
                    imageScanningConfiguration=given("imageScanningConfiguration", {"scanOnPush": False}),
                ),
            ),
        },
        local="forceDelete",
        outputs={"arn": "repositoryArn", "registryId": "registryId", "repositoryUrl": "repositoryUri"},
        auto_name="name",
        lower_case=True,
        tagging=TAGGING,
    ),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": Kind(
        service="ecr",
        create=(call("SetRepositoryPolicy", "repository:repositoryName policy:policyText"),),
        id="repositoryName",
        read=(look("GetRepositoryPolicy", "@", repositoryName=ID),),
        delete=(call("DeleteRepositoryPolicy", repositoryName=ID),),
        replaces="repository",
        updates={"policy": (call("SetRepositoryPolicy", "policy:policyText", repositoryName=ID),)},
        outputs={"registryId": "registryId"},
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Kind(
        service="ecr",
        create=(call("PutLifecyclePolicy", "repository:repositoryName policy:lifecyclePolicyText"),),
        id="repositoryName",
        read=(look("GetLifecyclePolicy", "@", repositoryName=ID),),
        delete=(call("DeleteLifecyclePolicy", repositoryName=ID),),
        replaces="repository policy",
        outputs={"registryId": "registryId"},
        replaced_in_place=True,
    ),
    "aws:ecr/pullThroughCacheRule:PullThroughCacheRule": Kind(
        service="ecr",
        create=(
            call(
                "CreatePullThroughCacheRule",
                "ecrRepositoryPrefix upstreamRegistryUrl upstreamRepositoryPrefix credentialArn customRoleArn",
            ),
        ),
        id="ecrRepositoryPrefix",
        read=(
            look(
                "DescribePullThroughCacheRules",
                "pullThroughCacheRules[0]",
                ecrRepositoryPrefixes=lambda view: [view.id],
            ),
        ),
        delete=(call("DeletePullThroughCacheRule", ecrRepositoryPrefix=ID),),
        replaces="ecrRepositoryPrefix upstreamRegistryUrl upstreamRepositoryPrefix",
        updates={
            "credentialArn customRoleArn": (
                call("UpdatePullThroughCacheRule", "credentialArn customRoleArn", ecrRepositoryPrefix=ID),
            )
        },
        outputs={"registryId": "registryId"},
    ),
    "aws:ecr/repositoryCreationTemplate:RepositoryCreationTemplate": Kind(
        service="ecr",
        create=(
            call(
                "CreateRepositoryCreationTemplate",
                f"prefix encryptionConfigurations:encryptionConfiguration {TEMPLATE}",
            ),
        ),
        id="repositoryCreationTemplate.prefix",
        read=(
            look(
                "DescribeRepositoryCreationTemplates",
                "repositoryCreationTemplates[0] && merge(repositoryCreationTemplates[0], {registryId: registryId})",
                prefixes=lambda view: [view.id],
            ),
        ),
        delete=(call("DeleteRepositoryCreationTemplate", prefix=ID),),
        replaces="prefix",
        updates={
            f"encryptionConfigurations {TEMPLATE}": (
                call(
                    "UpdateRepositoryCreationTemplate",
                    f"encryptionConfigurations:encryptionConfiguration {TEMPLATE}",
                    prefix=ID,
                ),
            )
        },
        outputs={"registryId": "registryId"},
    ),
    "aws:ecr/registryPolicy:RegistryPolicy": Kind(
        service="ecr",
        create=(call("PutRegistryPolicy", "policy:policyText"),),
        id="registryId",
        read=(look("GetRegistryPolicy", "@"),),
        delete=(call("DeleteRegistryPolicy"),),
        updates={"policy": (call("PutRegistryPolicy", "policy:policyText"),)},
        outputs={"registryId": "registryId"},
    ),
    "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration": Kind(
        service="ecr",
        create=(call("PutRegistryScanningConfiguration", "scanType rules"),),
        id=lambda view: view.account,
        read=(look("GetRegistryScanningConfiguration", "merge(scanningConfiguration, {registryId: registryId})"),),
        delete=(call("PutRegistryScanningConfiguration", scanType="BASIC", rules=[]),),
        updates={"scanType rules": (call("PutRegistryScanningConfiguration", "scanType", rules=given("rules", [])),)},
        outputs={"registryId": "registryId"},
    ),
    "aws:ecr/replicationConfiguration:ReplicationConfiguration": Kind(
        service="ecr",
        create=(call("PutReplicationConfiguration", "replicationConfiguration"),),
        id=lambda view: view.account,
        read=(look("DescribeRegistry", "@"),),
        delete=(call("PutReplicationConfiguration", replicationConfiguration={"rules": []}),),
        updates={"replicationConfiguration": (call("PutReplicationConfiguration", "replicationConfiguration"),)},
        outputs={"registryId": "registryId"},
    ),
    "aws:ecr/accountSetting:AccountSetting": Kind(  # its deletion keeps the setting, as with the real provider
        service="ecr",
        create=(call("PutAccountSetting", "name value"),),
        id="name",
        read=(look("GetAccountSetting", "@", name=ID),),
        replaces="name",
        updates={"value": (call("PutAccountSetting", "value", name=ID),)},
    ),
    "aws:ecrpublic/repository:Repository": Kind(
        service="ecr-public",
        create=(call("CreateRepository", "repositoryName catalogData", tags=TAGS),),
        id="repository.repositoryName",
        read=(
            look("DescribeRepositories", "repositories[0]", repositoryNames=lambda view: [view.id]),
            look("GetRepositoryCatalogData", "{catalogData: catalogData}", repositoryName=ID),
        ),
        delete=(call("DeleteRepository", repositoryName=ID, force=given("forceDestroy", False)),),
        replaces="repositoryName",
        updates={
            "catalogData": (
                call(
                    "PutRepositoryCatalogData",
                    repositoryName=ID,
                    catalogData=derived("catalogData", lambda data: data),
                    when=has("catalogData"),
                ),
            )
        },
        local="forceDestroy",
        outputs={"arn": "repositoryArn", "registryId": "registryId", "repositoryUri": "repositoryUri"},
        tagging=TAGGING,
    ),
    "aws:ecrpublic/repositoryPolicy:RepositoryPolicy": Kind(
        service="ecr-public",
        create=(call("SetRepositoryPolicy", "repositoryName policy:policyText"),),
        id="repositoryName",
        read=(look("GetRepositoryPolicy", "@", repositoryName=ID),),
        delete=(call("DeleteRepositoryPolicy", repositoryName=ID),),
        replaces="repositoryName",
        updates={"policy": (call("SetRepositoryPolicy", "policy:policyText", repositoryName=ID),)},
        outputs={"registryId": "registryId"},
    ),
}
