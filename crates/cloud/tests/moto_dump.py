#!/usr/bin/env python3
"""Writes down what boto3 makes of a moto server's answers, for tests/moto.rs to compare with.

    moto_dump.py --endpoint http://127.0.0.1:5000 --out dump.jsonl

It works in an account of its own, so that what it makes there is in nobody's way: the estate of tests/estates/aws, and a few
things that the estate does not have, so that more operations have something to answer. The first line holds the keys of that
account. Then one line per call: service, operation, region, parameters, and what boto3 gave (`response` or `error`), asked in two
rounds: what differs between two answers to one call (times, random ids) is not compared. Calls are

- every operation of crates/cloud/models/aws.json without required input, in every region of the seeded estate;
- the calls of content/resource-types/aws, with their parameters filled in from the items that were listed;
- for paginated operations, the same in pages of a few items (`pages`).

Needs boto3 (botocore of the version that the model names) and PyYAML; tests/clients/environment.py has them. Start moto as
tests/clients/aws_emulator.py does, else certificates change their state a minute after they were made.
"""

import argparse
import base64
import datetime
import json
import re
import sys
import time
from pathlib import Path

import boto3
import botocore
import jmespath
import yaml
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "crates" / "cloud" / "models" / "aws.json"
CONTENT = ROOT / "content" / "resource-types" / "aws"
sys.path.insert(0, str(ROOT / "tests" / "estates" / "aws"))
import seed_moto  # noqa: E402
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
ACCOUNT = "333333333333"
# Items of one kind, region and call whose attached calls are asked.
MOST_ITEMS = 20
# The client's own questions, which change something or need more than the estate has.
SKIPPED = {("sts", "AssumeRole"), ("sts", "AssumeRoleWithWebIdentity")}


def plain(value):
    """A value of boto3 as JSON: moments as RFC 3339 in UTC, bytes as base64."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=datetime.timezone.utc)
        value = value.astimezone(datetime.timezone.utc)
        fraction = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
        return value.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if hasattr(value, "read"):
        return base64.b64encode(value.read()).decode()
    return value


class Dump:
    def __init__(self, endpoint, keys):
        self.endpoint, self.keys = endpoint, keys
        self.clients, self.asked = {}, {}
        self.model = json.loads(MODEL.read_text(encoding="utf-8"))
        wanted = self.model["source"].split()[-1]
        if botocore.__version__ != wanted:
            print(f"botocore {botocore.__version__}, the model is of {wanted}", file=sys.stderr)

    def client(self, service, region):
        if (service, region) not in self.clients:
            self.clients[service, region] = boto3.client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                **self.keys,
                config=Config(
                    retries={"total_max_attempts": 1},
                    s3={"addressing_style": "path"},
                    inject_host_prefix=False,
                    connect_timeout=5,
                    read_timeout=60,
                ),
            )
        return self.clients[service, region]

    def once(self, service, operation, region, params, page_size=None):
        client = self.client(service, region)
        method = botocore.xform_name(operation)
        try:
            if page_size is None:
                response = getattr(client, method)(**params)
                return {"response": self.cleaned(response)}
            pages = client.get_paginator(method).paginate(PaginationConfig={"PageSize": page_size}, **params)
            return {"response": [self.cleaned(page) for page in pages]}
        except ClientError as error:
            found = error.response.get("Error", {})
            code = str(found.get("Code", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return {"error": {"code": code, "message": str(found.get("Message", "")), "status": status}}
        except BotoCoreError as error:
            return {"refused": f"{type(error).__name__}: {error}"[:300]}
        except Exception as error:  # noqa: BLE001 - boto3 fails on some answers of moto
            return {"failed": f"{type(error).__name__}: {error}"[:300]}

    @staticmethod
    def cleaned(response):
        return plain({key: value for key, value in response.items() if key != "ResponseMetadata"})

    def call(self, service, operation, region, params, page_size=None, limit_key=None):
        """Asks for the first time; the answer."""
        if operation not in self.model["services"].get(service, {}).get("operations", {}):
            return {"refused": "not in the model"}
        key = json.dumps([service, operation, region, params, page_size], sort_keys=True)
        if key not in self.asked:
            answer = self.once(service, operation, region, params, page_size)
            self.asked[key] = (service, operation, region, params, page_size, limit_key, answer)
        return self.asked[key][-1]

    def write(self, out):
        """Asks everything once more and writes both answers down, after the keys."""
        out.write(json.dumps({"account": ACCOUNT, **self.keys}) + "\n")
        for service, operation, region, params, page_size, limit_key, first in self.asked.values():
            second = self.once(service, operation, region, params, page_size)
            line = {
                "service": service,
                "operation": operation,
                "region": region,
                "params": params if page_size is None else {**params, limit_key: page_size},
                "pages": page_size is not None,
                "first": first,
                "second": second,
            }
            out.write(json.dumps(line, sort_keys=True) + "\n")

    def estate(self):
        """The estate, without settings of the account. Names of buckets are the whole server's: cell 0 is taken."""
        made, _ = seed_moto.seed(self.endpoint, 1, None, list(REGIONS), log=None, first=1, keys=self.keys)
        for call, (count, message) in made.errors.items():
            print(f"not made: {call} x{count}: {message}", file=sys.stderr)

    def extras(self):
        """Things that the seeded estate does not have. What moto does not do is left out."""
        region = REGIONS[0]
        role = f"arn:aws:iam::{ACCOUNT}:role/extra"
        subnets = self.client("ec2", region).describe_subnets()["Subnets"]
        subnet, vpc = subnets[0]["SubnetId"], subnets[0]["VpcId"]
        image = self.client("ec2", region).describe_images(Owners=["self"])["Images"][0]["ImageId"]
        container = {"name": "c", "image": "nginx", "memory": 64, "environment": [{"name": "A", "value": "b"}]}
        machine = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
        visibility = {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": False, "MetricName": "m"}
        listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::a+%20b/*"}]}
        rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "a&b"}, "Expiration": {"Days": 3}}
        calls = [
            ("ecs", "CreateCluster", {"clusterName": "extra", "tags": [{"key": "k", "value": "v"}]}),
            ("ecs", "RegisterTaskDefinition", {"family": "extra", "containerDefinitions": [container]}),
            ("ecs", "CreateService", {"cluster": "extra", "serviceName": "s", "taskDefinition": "extra", "desiredCount": 1}),
            ("stepfunctions", "CreateStateMachine", {"name": "extra", "definition": machine, "roleArn": role}),
            (
                "wafv2",
                "CreateWebACL",
                {"Name": "extra", "Scope": "REGIONAL", "DefaultAction": {"Allow": {}}, "VisibilityConfig": visibility},
            ),
            (
                "elb",
                "CreateLoadBalancer",
                {"LoadBalancerName": "extra", "Listeners": [listener], "Subnets": [subnet], "Tags": [{"Key": "k", "Value": "v"}]},
            ),
            (
                "sagemaker",
                "CreateNotebookInstance",
                {"NotebookInstanceName": "extra", "InstanceType": "ml.t2.medium", "RoleArn": role},
            ),
            ("apigatewayv2", "CreateApi", {"Name": "extra", "ProtocolType": "HTTP", "Tags": {"k": "v"}}),
            ("rds", "CreateDBCluster", {"DBClusterIdentifier": "extra", "Engine": "aurora-mysql", "MasterUsername": "u", "MasterUserPassword": "hunter2hunter2"}),
            ("rds", "CreateDBClusterSnapshot", {"DBClusterIdentifier": "extra", "DBClusterSnapshotIdentifier": "extra"}),
            ("iam", "CreateUser", {"UserName": "extra", "Path": "/é ü/", "Tags": [{"Key": "k &", "Value": "<v>"}]}),
            ("iam", "PutUserPolicy", {"UserName": "extra", "PolicyName": "p", "PolicyDocument": json.dumps(document)}),
            ("s3", "CreateBucket", {"Bucket": "extra.dotted-bucket"}),
            (
                "s3",
                "PutBucketLifecycleConfiguration",
                {"Bucket": "extra.dotted-bucket", "LifecycleConfiguration": {"Rules": [rule]}},
            ),
            ("cloudtrail", "CreateTrail", {"Name": "extra", "S3BucketName": "extra.dotted-bucket"}),
            ("cloudtrail", "StartLogging", {"Name": "extra"}),
            ("guardduty", "CreateDetector", {"Enable": True}),
            ("iam", "UpdateAccountPasswordPolicy", {"MinimumPasswordLength": 8}),
            ("s3", "PutBucketTagging", {"Bucket": "extra.dotted-bucket", "Tagging": {"TagSet": [{"Key": "k", "Value": "é & <v>"}]}}),
            ("secretsmanager", "CreateSecret", {"Name": "extra", "SecretBinary": b"\x00\xff"}),
            ("cloudformation", "CreateStack", {"StackName": "extra", "TemplateBody": json.dumps({"Resources": {}, "Outputs": {"A": {"Value": "b"}}})}),
            (
                "s3",
                "PutBucketOwnershipControls",
                {"Bucket": "extra.dotted-bucket", "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
            ),
            ("sqs", "CreateQueue", {"QueueName": "extra"}),
            ("ec2", "CreateKeyPair", {"KeyName": "extra", "TagSpecifications": tagged("key-pair")}),
            (
                "ec2",
                "CreateLaunchTemplate",
                {
                    "LaunchTemplateName": "extra",
                    "LaunchTemplateData": {
                        "InstanceType": "t3.micro",
                        "MetadataOptions": {"HttpTokens": "required"},
                        "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8, "Encrypted": True}}],
                    },
                },
            ),
            ("ec2", "CreateNatGateway", {"SubnetId": subnet, "ConnectivityType": "private"}),
            ("ec2", "CreateVpcEndpoint", {"VpcId": vpc, "ServiceName": f"com.amazonaws.{region}.s3", "PolicyDocument": json.dumps(document)}),
            ("ec2", "CreateVpcPeeringConnection", {"VpcId": vpc, "PeerVpcId": subnets[-1]["VpcId"]}),
            ("ec2", "EnableEbsEncryptionByDefault", {}),
            (
                "cloudwatch",
                "PutMetricAlarm",
                {
                    "AlarmName": "extra",
                    "MetricName": "m",
                    "Namespace": "n",
                    "Statistic": "Sum",
                    "Period": 60,
                    "EvaluationPeriods": 2,
                    "Threshold": 1.5,
                    "ComparisonOperator": "GreaterThanThreshold",
                    "Dimensions": [{"Name": "a", "Value": "b"}],
                },
            ),
            ("logs", "CreateLogGroup", {"logGroupName": "extra"}),
            (
                "logs",
                "PutMetricFilter",
                {
                    "logGroupName": "extra",
                    "filterName": "f",
                    "filterPattern": "{ $.errorCode = \"*\" }",
                    "metricTransformations": [{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}],
                },
            ),
            ("kinesis", "CreateStream", {"StreamName": "extra", "ShardCount": 1}),
            ("elasticache", "CreateReplicationGroup", {"ReplicationGroupId": "extra", "ReplicationGroupDescription": "d"}),
            ("iam", "CreateVirtualMFADevice", {"VirtualMFADeviceName": "extra"}),
            (
                "iam",
                "EnableMFADevice",
                {
                    "UserName": "extra",
                    "SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/extra",
                    "AuthenticationCode1": "123456",
                    "AuthenticationCode2": "654321",
                },
            ),
            ("iam", "CreateOpenIDConnectProvider", {"Url": "https://example.com", "ThumbprintList": ["0" * 40], "ClientIDList": ["a"]}),
            ("iam", "CreateSAMLProvider", {"Name": "extra", "SAMLMetadataDocument": "x" * 1024}),
            ("iam", "UploadServerCertificate", {"ServerCertificateName": "extra", "CertificateBody": "b", "PrivateKey": "k"}),
            ("iam", "AttachUserPolicy", {"UserName": "extra", "PolicyArn": "arn:aws:iam::aws:policy/AWSSupportAccess"}),
            (
                "rds",
                "CreateEventSubscription",
                {"SubscriptionName": "extra", "SnsTopicArn": f"arn:aws:sns:{region}:{ACCOUNT}:t", "EventCategories": ["failure"]},
            ),
            ("sns", "CreateTopic", {"Name": "extra"}),
            (
                "sns",
                "Subscribe",
                {"TopicArn": f"arn:aws:sns:{region}:{ACCOUNT}:extra", "Protocol": "email", "Endpoint": "a@example.com"},
            ),
            ("securityhub", "EnableSecurityHub", {}),
            ("organizations", "CreateOrganization", {"FeatureSet": "ALL"}),
            ("organizations", "CreateAccount", {"Email": "b@example.com", "AccountName": "member"}),
            (
                "organizations",
                "CreatePolicy",
                {"Name": "extra", "Description": "d", "Type": "SERVICE_CONTROL_POLICY", "Content": json.dumps(document)},
            ),
            ("cognito-idp", "CreateUserPool", {"PoolName": "extra"}),
            ("backup", "CreateBackupVault", {"BackupVaultName": "extra"}),
            (
                "account",
                "PutAlternateContact",
                {
                    "AlternateContactType": "SECURITY",
                    "EmailAddress": "a@example.com",
                    "Name": "n",
                    "PhoneNumber": "1",
                    "Title": "t",
                },
            ),
            ("autoscaling", "CreateLaunchConfiguration", {"LaunchConfigurationName": "extra", "ImageId": image, "InstanceType": "t3.micro"}),
            (
                "autoscaling",
                "CreateAutoScalingGroup",
                {
                    "AutoScalingGroupName": "extra",
                    "LaunchConfigurationName": "extra",
                    "MinSize": 0,
                    "MaxSize": 1,
                    "AvailabilityZones": [f"{region}a"],
                    "Tags": [{"Key": "k", "Value": "v"}],
                },
            ),
        ]
        calls += [("sqs", "CreateQueue", {"QueueName": f"extra-{number}"}) for number in range(7)]
        calls += [("ssm", "PutParameter", {"Name": f"/extra/{n}", "Value": "v", "Type": "String"}) for n in range(15)]
        calls += [("dynamodb", "CreateTable", table(number)) for number in range(7)]
        for service, operation, params in calls:
            answer = self.once(service, operation, region, params)
            if "response" not in answer and not re.search("Exist|InUse|Duplicate|Conflict", str(answer)):
                print(f"not made: {service}:{operation}: {answer}", file=sys.stderr)
            elif operation == "CreateApi":
                api = answer["response"]["ApiId"]
                self.once("apigatewayv2", "CreateStage", region, {"ApiId": api, "StageName": "s", "StageVariables": {"a": "b"}})

    def without_input(self):
        for service, model in self.model["services"].items():
            for operation, facts in model["operations"].items():
                shape = model["shapes"].get(facts.get("input", {}).get("shape"), {})
                if (service, operation) in SKIPPED or shape.get("required"):
                    continue
                for region in REGIONS:
                    self.call(service, operation, region, {})
                    self.in_pages(service, operation, region, {})

    def in_pages(self, service, operation, region, params):
        """The same call in small pages, if its paginator has a page size."""
        client = self.client(service, region)
        method = botocore.xform_name(operation)
        if not client.can_paginate(method):
            return
        config = client.get_paginator(method)._pagination_cfg  # noqa: SLF001
        limit_key = config.get("limit_key")
        if not limit_key:
            return
        member = client.meta.service_model.operation_model(operation).input_shape.members[limit_key]
        size = max(2, int(member.metadata.get("min", 0)))
        text = member.type_name == "string"
        self.call(service, operation, region, params, str(size) if text else size, limit_key)

    def content(self):
        types = []
        for path in sorted(CONTENT.rglob("*.yaml")):
            types.extend(document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document)
        for region in REGIONS:
            items = {}
            # Parents first: several rounds, until nothing new is listed.
            for _ in range(3):
                for kind in types:
                    if kind["kind"] not in items:
                        found = self.listed(kind, region, items)
                        if found:
                            items[kind["kind"]] = found
            for kind in types:
                for item in items.get(kind["kind"], [])[:MOST_ITEMS]:
                    for attached in (kind.get("attached") or {}).values():
                        # What is worked out from the whole estate is no call.
                        if attached.get("derived"):
                            continue
                        params = filled(attached.get("params") or {}, item, region, {})
                        if params is not None:
                            self.call(attached["service"], attached["operation"], region, params)

    def listed(self, kind, region, items):
        """The items of a kind: each `list` call, fed by its parent's items or by the names of the call before."""
        steps = kind["list"] if isinstance(kind.get("list"), list) else [kind.get("list")]
        found, names = [], None
        for step in filter(None, steps):
            if "service" not in step:
                continue
            sources = items.get(step["parent"], [])[:MOST_ITEMS] if step.get("parent") else [{}]
            if step.get("parent") is None and names is not None:
                sources = names
            gained = []
            for source in sources:
                given, outer = source if isinstance(source, tuple) else (source, {})
                params = filled(step.get("params") or {}, given, region, outer)
                if params is None:
                    continue
                answer = self.call(step["service"], step["operation"], region, params)
                if step.get("parent") is None and names is None:
                    self.in_pages(step["service"], step["operation"], region, params)
                expression = step.get("items", "@")
                if "response" not in answer or expression.startswith("@csv"):
                    continue
                value = jmespath.search(expression, answer["response"])
                gained.extend((item, params) for item in (value if isinstance(value, list) else [value]) if item)
            if step.get("names_only"):
                names = gained
            else:
                found.extend(item for item, _ in gained)
        return found


def tagged(kind):
    return [{"ResourceType": kind, "Tags": [{"Key": "k", "Value": "v"}]}]


def table(number):
    key = [{"AttributeName": "k", "KeyType": "HASH"}]
    kinds = [{"AttributeName": "k", "AttributeType": "S"}]
    name = f"extra-{number}"
    return {"TableName": name, "KeySchema": key, "AttributeDefinitions": kinds, "BillingMode": "PAY_PER_REQUEST"}


def filled(params, item, region, outer):
    """Parameters with their `{path}` parts filled in; none if something is missing."""
    facts = {"account": ACCOUNT, "region": region, "partition": "aws"}

    def value_of(path):
        if path in facts:
            return facts[path]
        if path.startswith("param."):
            return outer.get(path.removeprefix("param."))
        if path == "@":
            return item
        return jmespath.search(path, item) if isinstance(item, dict) else None

    def fill(value):
        if isinstance(value, list):
            return [fill(part) for part in value]
        if isinstance(value, dict):
            return {key: fill(part) for key, part in value.items()}
        if not isinstance(value, str):
            return value
        whole = re.fullmatch(r"\{([^{}]+)\}", value)
        if whole:
            found = value_of(whole[1])
            if not isinstance(found, (str, int)):
                raise KeyError(value)
            return found

        def part(match):
            found = value_of(match[1])
            if not isinstance(found, (str, int)):
                raise KeyError(value)
            return str(found)

        return re.sub(r"\{([^{}]+)\}", part, value)

    try:
        return fill(params)
    except KeyError:
        return None


def keys_of_account(endpoint):
    """Keys of a role in the account: moto gives them to anybody, and has an empty account for every number."""
    sts = boto3.client("sts", region_name=REGIONS[0], endpoint_url=endpoint, **seed_moto.KEYS)
    role = sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/parity", RoleSessionName="parity")["Credentials"]
    names = {"AccessKeyId": "aws_access_key_id", "SecretAccessKey": "aws_secret_access_key", "SessionToken": "aws_session_token"}
    return {name: role[key] for key, name in names.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    dump = Dump(arguments.endpoint, keys_of_account(arguments.endpoint))
    dump.estate()
    dump.extras()
    for _ in range(3):  # until the report is complete
        dump.once("iam", "GenerateCredentialReport", "us-east-1", {})
    dump.without_input()
    dump.content()
    time.sleep(1.1)  # so that answers with the time of day differ
    with open(arguments.out, "w", encoding="utf-8") as out:
        dump.write(out)
    print(f"{len(dump.asked)} calls written to {arguments.out}")


if __name__ == "__main__":
    main()
