"""A small account in a moto server, and changes of it with the events that CloudTrail would have sent.

    moto_world.py --endpoint URL before    makes the account and the queue `changes`
    moto_world.py --endpoint URL after     changes it, and puts an envelope of EventBridge into the queue for each call

moto keeps no trail of management events, so that the envelopes are made here: request and response in the form in which
CloudTrail writes them (member names with a small first letter, EC2's lists as `xSet.items`).
"""

import argparse
import datetime
import json
import uuid

import boto3

# An account of its own: other suites read the others of the same server.
REGION, ACCOUNT = "eu-west-1", "444444444444"
POLICY = json.dumps({
    "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}],
})


class World:
    def __init__(self, endpoint):
        self.endpoint = endpoint
        first = boto3.Session("a", "b", region_name=REGION).client("sts", endpoint_url=endpoint)
        taken = first.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/changes", RoleSessionName="changes")["Credentials"]
        self.session = boto3.Session(
            taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"], region_name=REGION
        )
        self.events = []

    def client(self, service):
        return self.session.client(service, endpoint_url=self.endpoint)

    def tell(self, service, name, request, response=None):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        detail = {
            "eventVersion": "1.10", "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/someone"},
            "eventTime": now, "eventSource": f"{service}.amazonaws.com", "eventName": name, "awsRegion": REGION,
            "requestParameters": request, "responseElements": response, "eventID": str(uuid.uuid4()), "readOnly": False,
            "eventType": "AwsApiCall", "managementEvent": True, "recipientAccountId": ACCOUNT,
            "eventCategory": "Management",
        }
        self.events.append({
            "version": "0", "id": str(uuid.uuid4()), "detail-type": "AWS API Call via CloudTrail",
            "source": f"aws.{service}", "account": ACCOUNT, "time": now, "region": REGION, "resources": [],
            "detail": detail,
        })

    def before(self):
        ec2, s3, iam, kms = self.client("ec2"), self.client("s3"), self.client("iam"), self.client("kms")
        sqs, sns, dynamodb = self.client("sqs"), self.client("sns"), self.client("dynamodb")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=REGION + zone)["Subnet"]["SubnetId"]
            for n, zone in ((1, "a"), (2, "b"))
        ]
        for name in ("one", "two", "gone"):
            ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
            s3.create_bucket(Bucket=f"contoso-{name}", CreateBucketConfiguration={"LocationConstraint": REGION})
            iam.create_user(UserName=name)
            iam.create_role(RoleName=f"role-{name}", AssumeRolePolicyDocument="{}")
            sqs.create_queue(QueueName=name)
            sns.create_topic(Name=name)
            dynamodb.create_table(
                TableName=name, KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "a", "AttributeType": "S"}])
            self.client("secretsmanager").create_secret(Name=name, SecretString="x")
            self.client("ecr").create_repository(repositoryName=name)
            self.client("elbv2").create_load_balancer(Name=name, Subnets=subnets)
            self.client("rds").create_db_instance(
                DBInstanceIdentifier=name, DBInstanceClass="db.t3.micro", Engine="postgres", AllocatedStorage=20,
                MasterUsername="contoso", MasterUserPassword="contoso-password")
            ec2.create_volume(Size=8, AvailabilityZone=REGION + "a", TagSpecifications=[
                {"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": name}]}])
        kms.create_key(Description="one")
        sqs.create_queue(QueueName="changes")

    def after(self):
        ec2, s3, iam, kms = self.client("ec2"), self.client("s3"), self.client("iam"), self.client("kms")
        sqs, sns, dynamodb = self.client("sqs"), self.client("sns"), self.client("dynamodb")
        groups = {group["GroupName"]: group for group in ec2.describe_security_groups()["SecurityGroups"]}
        one = groups["one"]["GroupId"]
        permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ec2.authorize_security_group_ingress(GroupId=one, IpPermissions=[permission])
        self.tell("ec2", "AuthorizeSecurityGroupIngress", {"groupId": one})
        gone = groups["gone"]["GroupId"]
        ec2.delete_security_group(GroupId=gone)
        self.tell("ec2", "DeleteSecurityGroup", {"groupId": gone})
        new = ec2.create_security_group(GroupName="new", Description="new", VpcId=groups["one"]["VpcId"])["GroupId"]
        self.tell("ec2", "CreateSecurityGroup", {"groupName": "new"}, {"groupId": new})
        volumes = {v["Tags"][0]["Value"]: v["VolumeId"] for v in ec2.describe_volumes()["Volumes"] if v.get("Tags")}
        ec2.delete_volume(VolumeId=volumes["gone"])
        self.tell("ec2", "DeleteVolume", {"volumeId": volumes["gone"]})
        ec2.create_tags(Resources=[volumes["one"], one], Tags=[{"Key": "team", "Value": "web"}])
        items = {"items": [{"resourceId": volumes["one"]}, {"resourceId": one}]}
        self.tell("ec2", "CreateTags", {"resourcesSet": items, "tagSet": {"items": [{"key": "team", "value": "web"}]}})
        snapshot = ec2.create_snapshot(VolumeId=volumes["two"])["SnapshotId"]
        self.tell("ec2", "CreateSnapshot", {"volumeId": volumes["two"]}, {"snapshotId": snapshot})

        s3.put_bucket_versioning(Bucket="contoso-one", VersioningConfiguration={"Status": "Enabled"})
        self.tell("s3", "PutBucketVersioning", {"bucketName": "contoso-one"})
        s3.delete_bucket(Bucket="contoso-gone")
        self.tell("s3", "DeleteBucket", {"bucketName": "contoso-gone"})
        s3.create_bucket(Bucket="contoso-new", CreateBucketConfiguration={"LocationConstraint": REGION})
        self.tell("s3", "CreateBucket", {"bucketName": "contoso-new"})

        iam.put_user_policy(UserName="one", PolicyName="p", PolicyDocument=POLICY)
        self.tell("iam", "PutUserPolicy", {"userName": "one", "policyName": "p"})
        iam.create_access_key(UserName="two")
        self.tell("iam", "CreateAccessKey", {"userName": "two"})
        iam.delete_user(UserName="gone")
        self.tell("iam", "DeleteUser", {"userName": "gone"})
        iam.delete_role(RoleName="role-gone")
        self.tell("iam", "DeleteRole", {"roleName": "role-gone"})
        policy = iam.create_policy(PolicyName="new", PolicyDocument=POLICY)
        arn = policy["Policy"]["Arn"]
        self.tell("iam", "CreatePolicy", {"policyName": "new"}, {"policy": {"arn": arn}})
        iam.attach_role_policy(RoleName="role-one", PolicyArn=arn)
        self.tell("iam", "AttachRolePolicy", {"roleName": "role-one", "policyArn": arn})

        key = kms.list_keys()["Keys"][0]["KeyId"]
        kms.enable_key_rotation(KeyId=key)
        self.tell("kms", "EnableKeyRotation", {"keyId": key})
        key = kms.create_key(Description="new")["KeyMetadata"]["KeyId"]
        self.tell("kms", "CreateKey", {}, {"keyMetadata": {"keyId": key}})

        url = sqs.get_queue_url(QueueName="one")["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "77"})
        self.tell("sqs", "SetQueueAttributes", {"queueUrl": url.replace("http://", "https://")})
        url = sqs.get_queue_url(QueueName="gone")["QueueUrl"]
        sqs.delete_queue(QueueUrl=url)
        self.tell("sqs", "DeleteQueue", {"queueUrl": url.replace("http://", "https://")})
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:gone"
        sns.delete_topic(TopicArn=topic)
        self.tell("sns", "DeleteTopic", {"topicArn": topic})
        dynamodb.update_continuous_backups(
            TableName="one", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
        self.tell("dynamodb", "UpdateContinuousBackups", {"tableName": "one"})
        dynamodb.delete_table(TableName="gone")
        self.tell("dynamodb", "DeleteTable", {"tableName": "gone"})
        self.client("secretsmanager").delete_secret(SecretId="gone", ForceDeleteWithoutRecovery=True)
        self.tell("secretsmanager", "DeleteSecret", {"secretId": "gone"})
        self.client("ecr").delete_repository(repositoryName="gone")
        self.tell("ecr", "DeleteRepository", {"repositoryName": "gone"})
        elb = self.client("elbv2")
        arns = {own["LoadBalancerName"]: own["LoadBalancerArn"] for own in elb.describe_load_balancers()["LoadBalancers"]}
        group = elb.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=groups["one"]["VpcId"])
        group = group["TargetGroups"][0]["TargetGroupArn"]
        elb.create_listener(LoadBalancerArn=arns["one"], Protocol="HTTP", Port=80,
                            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}])
        self.tell("elasticloadbalancing", "CreateListener", {"loadBalancerArn": arns["one"]})
        elb.delete_load_balancer(LoadBalancerArn=arns["gone"])
        self.tell("elasticloadbalancing", "DeleteLoadBalancer", {"loadBalancerArn": arns["gone"]})
        rds = self.client("rds")
        rds.modify_db_instance(DBInstanceIdentifier="one", BackupRetentionPeriod=9)
        self.tell("rds", "ModifyDBInstance", {"dBInstanceIdentifier": "one"})
        rds.delete_db_instance(DBInstanceIdentifier="gone", SkipFinalSnapshot=True)
        self.tell("rds", "DeleteDBInstance", {"dBInstanceIdentifier": "gone"})
        changes = sqs.get_queue_url(QueueName="changes")["QueueUrl"]
        for event in self.events + self.events[:5]:
            sqs.send_message(QueueUrl=changes, MessageBody=json.dumps(event))
        print(len(self.events))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("step", choices=("before", "after"))
    arguments = parser.parse_args()
    getattr(World(arguments.endpoint), arguments.step)()


if __name__ == "__main__":
    main()
