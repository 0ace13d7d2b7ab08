"""Other resources of stacks from create to delete: secrets, keys, roles, logs, alarms, queues, topics, budgets."""

import json

from tests.cloud.refused import refused
from tests.cloud.tasks import TASKS, document

REGION = "eu-west-1"
EVERYBODY = document([{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}])


def test_a_replica_can_be_the_credential_of_a_rule_in_its_region(cloud):
    value = json.dumps({"username": "a", "accessToken": "b"})
    name = "ecr-pullthroughcache/docker-hub"
    made = cloud.client("secretsmanager", REGION).create_secret(
        Name=name, SecretString=value, AddReplicaRegions=[{"Region": "us-east-1"}]
    )
    cloud.client("ecr", "us-east-1").create_pull_through_cache_rule(
        ecrRepositoryPrefix="docker-hub",
        upstreamRegistryUrl="registry-1.docker.io",
        credentialArn=made["ARN"].replace(REGION, "us-east-1"),
    )


def test_a_bucket_needs_a_valid_policy_and_only_an_empty_one_can_be_deleted(cloud):
    s3 = cloud.client("s3", REGION)
    s3.create_bucket(Bucket="toril-results", CreateBucketConfiguration={"LocationConstraint": REGION})
    with refused("NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="toril-results")
    for text in ("{", "{}", document([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])):
        with refused("MalformedPolicy"):
            s3.put_bucket_policy(Bucket="toril-results", Policy=text)
    s3.put_bucket_policy(Bucket="toril-results", Policy=EVERYBODY)
    s3.put_object(Bucket="toril-results", Key="a/b", Body=b"1")
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="toril-results", Prefix="a/")["Contents"]] == ["a/b"]
    with refused("BucketNotEmpty"):
        s3.delete_bucket(Bucket="toril-results")
    s3.delete_object(Bucket="toril-results", Key="a/b")
    s3.delete_bucket(Bucket="toril-results")
    with refused("404"):
        s3.head_bucket(Bucket="toril-results")


def test_a_key_needs_a_valid_policy_and_a_unique_alias(cloud):
    kms = cloud.client("kms", REGION)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    with refused("MalformedPolicyDocumentException"):
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy="{")
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=EVERYBODY)
    kms.create_alias(AliasName="alias/toril", TargetKeyId=key)
    with refused("AlreadyExistsException"):
        kms.create_alias(AliasName="alias/toril", TargetKeyId=key)
    kms.delete_alias(AliasName="alias/toril")
    with refused("NotFoundException"):
        kms.describe_key(KeyId="alias/toril")
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_a_role_needs_valid_policy_documents(cloud):
    iam = cloud.client("iam")
    trust = document([{"Effect": "Allow", "Principal": TASKS, "Action": "sts:AssumeRole"}])
    for text in ("{", document([{"Effect": "Allow", "Action": "sts:AssumeRole"}])):
        with refused("MalformedPolicyDocument"):
            iam.create_role(RoleName="r", AssumeRolePolicyDocument=text)
    iam.create_role(RoleName="r", Path="/toril/", AssumeRolePolicyDocument=trust)
    for text in ("{", trust, document([{"Effect": "Allow", "Action": "s3:*"}])):
        with refused("MalformedPolicyDocument"):
            iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=text)
    iam.put_role_policy(
        RoleName="r", PolicyName="p", PolicyDocument=document([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])
    )
    with refused("DeleteConflict"):
        iam.delete_role(RoleName="r")
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    iam.delete_role(RoleName="r")
    with refused("NoSuchEntity"):
        iam.get_role(RoleName="r")


def test_a_protected_log_group_cannot_be_deleted(cloud):
    logs = cloud.client("logs", REGION)
    logs.create_log_group(logGroupName="/toril/a", deletionProtectionEnabled=True, tags={"a": "b"})
    assert logs.describe_log_groups()["logGroups"][0]["deletionProtectionEnabled"]
    with refused("InvalidParameterException"):
        logs.put_retention_policy(logGroupName="/toril/a", retentionInDays=31)
    with refused("ValidationException", "protected"):
        logs.delete_log_group(logGroupName="/toril/a")
    logs.put_log_group_deletion_protection(logGroupIdentifier="/toril/a", deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName="/toril/a")
    with refused("ResourceNotFoundException"):
        logs.delete_log_group(logGroupName="/toril/a")


def test_queues_and_topics_accept_only_valid_policies(cloud):
    sqs, sns = cloud.client("sqs", REGION), cloud.client("sns", REGION)
    queue = sqs.create_queue(QueueName="dead")["QueueUrl"]
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    with refused("InvalidAttributeValue"):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": "{"})
    with refused("InvalidParameter"):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue="{")
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": EVERYBODY})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=EVERYBODY)
    sqs.delete_queue(QueueUrl=queue)
    sns.delete_topic(TopicArn=topic)
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
    with refused("NotFound"):
        sns.get_topic_attributes(TopicArn=topic)


def test_a_secret_without_a_value_has_no_version_until_one_is_put(cloud):
    secrets = cloud.client("secretsmanager")
    arn = secrets.create_secret(Name="later")["ARN"]
    assert secrets.list_secret_version_ids(SecretId=arn)["Versions"] == []
    with refused("ResourceNotFoundException"):
        secrets.get_secret_value(SecretId=arn)
    secrets.put_secret_value(SecretId=arn, SecretString="now")
    (version,) = secrets.list_secret_version_ids(SecretId=arn)["Versions"]
    assert version["VersionStages"] == ["AWSCURRENT"]
