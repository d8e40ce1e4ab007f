#!/usr/bin/env python3
"""Cuts botocore's service models down to what Yagura asks AWS: crates/cloud/models/aws.json.

    python3 tools/aws_models.py            writes the model
    python3 tools/aws_models.py --check    fails if the written model differs from what would be written

The operations are those of content/resource-types/aws/**/*.yaml (every mapping with `service` and `operation`), plus
the ones the client itself needs (OWN). botocore (Apache-2.0, see NOTICE) comes from PyPI at the pinned version, into a
virtual environment under target/; the script starts itself again there.

What is written, per service: protocol (the first one of botocore's list that the client speaks), names and versions,
the hosts of each partition (asked of botocore's own endpoint rules, for every region it knows), the operations with
their paginators, and the shapes reachable from them. Traits of a shape and of a reference to it are merged into the
reference, as botocore merges them (botocore/model.py, ShapeResolver).
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

BOTOCORE = "1.44.5"
PYYAML = "6.0.3"
ROOT = Path(__file__).resolve().parent.parent
CONTENT = ROOT / "content" / "resource-types" / "aws"
MODEL = ROOT / "crates" / "cloud" / "models" / "aws.json"

# What the client asks for its own ends: who am I, roles in member accounts, accounts, regions.
OWN = {
    ("sts", "GetCallerIdentity"),
    ("sts", "AssumeRole"),
    ("sts", "AssumeRoleWithWebIdentity"),
    ("organizations", "ListAccounts"),
    ("ec2", "DescribeRegions"),
    # The queue that change events come through.
    ("sqs", "ReceiveMessage"),
    ("sqs", "DeleteMessageBatch"),
}
PROTOCOLS = ("json", "rest-json", "rest-xml", "query", "ec2")
PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-eusc")
# Continuation tokens of operations that botocore has no paginator for: (input member, output member).
TOKENS = (
    ("NextToken", "NextToken"),
    ("nextToken", "nextToken"),
    ("NextMarker", "NextMarker"),
    ("Marker", "NextMarker"),
    ("Marker", "Marker"),
    ("marker", "nextMarker"),
    ("position", "position"),
)
# SQS pages its answer only when asked for a page size (SQS API reference, ListQueues).
PAGE_SIZES = {("sqs", "ListQueues"): 1000}


def inside_environment():
    """Starts the script again inside the pinned virtual environment, unless it is there already."""
    home = ROOT / "target" / f"aws-models-{BOTOCORE}"
    python = home / "bin" / "python"
    if Path(sys.prefix).resolve() == home.resolve():
        return
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        wanted = [f"botocore=={BOTOCORE}", f"pyyaml=={PYYAML}"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *wanted], check=True)
        (home / "ready").touch()
    os.execv(str(python), [str(python), __file__, *sys.argv[1:]])


def content_operations():
    """The (service, operation) pairs of the resource types."""
    import yaml

    found = set()

    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get("service"), str) and isinstance(node.get("operation"), str):
                found.add((node["service"], node["operation"]))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    for path in sorted(CONTENT.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            walk(document)
    return found


class Cut:
    """One service, cut to some of its operations."""

    def __init__(self, loader, service):
        self.service = service
        self.model = loader.load_service_model(service, "service-2")
        try:
            self.pages = loader.load_service_model(service, "paginators-1")["pagination"]
        except Exception:  # noqa: BLE001 - a service without paginators
            self.pages = {}
        self.shapes = {}

    def reference(self, ref):
        """A reference to a shape with the traits that matter on the wire."""
        shape = self.model["shapes"][ref["shape"]]
        merged = {**shape, **ref}
        out = {"shape": ref["shape"]}
        for ours, theirs in (
            ("name", "locationName"),
            ("location", "location"),
            ("query_name", "queryName"),
            ("time", "timestampFormat"),
        ):
            if merged.get(theirs):
                out[ours] = merged[theirs]
        for ours, theirs in (
            ("flattened", "flattened"),
            ("attribute", "xmlAttribute"),
            ("host_label", "hostLabel"),
            ("token", "idempotencyToken"),
            ("json", "jsonvalue"),
        ):
            if merged.get(theirs):
                out[ours] = True
        namespace = merged.get("xmlNamespace")
        if namespace:
            out["namespace"] = namespace["uri"] if isinstance(namespace, dict) else namespace
        # botocore/handlers.py, fix_route53_ids: "/hostedzone/Z1" is meant as "Z1".
        if self.service == "route53" and ref["shape"] in ("ResourceId", "DelegationSetId", "ChangeId"):
            out["last_segment"] = True
        self.keep(ref["shape"])
        return out

    def keep(self, name):
        """Writes down a shape and those it refers to."""
        if name in self.shapes:
            return
        shape = self.model["shapes"][name]
        out = self.shapes[name] = {"type": shape["type"]}
        if shape["type"] == "structure":
            out["members"] = {key: self.reference(value) for key, value in shape.get("members", {}).items()}
            for trait in ("required", "payload", "union", "document"):
                if shape.get(trait):
                    out[trait] = shape[trait]
        elif shape["type"] == "list":
            out["member"] = self.reference(shape["member"])
        elif shape["type"] == "map":
            out["key"] = self.reference(shape["key"])
            out["value"] = self.reference(shape["value"])
        # botocore/handlers.py, json_decode_policies: IAM's policies are URL-encoded JSON texts.
        if self.service == "iam" and name == "policyDocumentType":
            out["type"] = "policy"

    def operation(self, name):
        theirs = self.model["operations"][name]
        out = {"method": theirs["http"].get("method", "POST"), "uri": theirs["http"]["requestUri"]}
        if "input" in theirs:
            out["input"] = self.reference(theirs["input"])
        if "output" in theirs:
            out["output"] = self.reference(theirs["output"])
            wrapper = theirs["output"].get("resultWrapper")
            if wrapper:
                out["wrapper"] = wrapper
        if theirs.get("endpoint", {}).get("hostPrefix"):
            out["host_prefix"] = theirs["endpoint"]["hostPrefix"]
        # botocore/handlers.py: AssumeRoleWithWebIdentity is not signed.
        if theirs.get("authtype") == "none" or (self.service, name) == ("sts", "AssumeRoleWithWebIdentity"):
            out["unsigned"] = True
        pages = self.paging(name, theirs)
        if pages:
            out["pages"] = pages
        return out

    def paging(self, name, theirs):
        pages = self.pages.get(name)
        as_list = lambda value: value if isinstance(value, list) else [value]  # noqa: E731
        if pages:
            out = {"input": as_list(pages["input_token"]), "output": as_list(pages["output_token"])}
            if pages.get("more_results"):
                out["more"] = pages["more_results"]
            if (self.service, name) in PAGE_SIZES:
                out["size"] = {pages["limit_key"]: PAGE_SIZES[self.service, name]}
            return out
        members = lambda side: self.model["shapes"][theirs[side]["shape"]].get("members", {})  # noqa: E731
        if "input" not in theirs or "output" not in theirs:
            return None
        for given, answered in TOKENS:
            if given in members("input") and answered in members("output"):
                return {"input": [given], "output": [answered], "inferred": True}
        return None

    def cut(self, operations):
        meta = self.model["metadata"]
        offered = meta.get("protocols") or [meta["protocol"]]
        out = {
            "protocol": next(protocol for protocol in PROTOCOLS if protocol in offered),
            "api_version": meta["apiVersion"],
            "signing_name": meta.get("signingName", meta["endpointPrefix"]),
        }
        for ours, theirs in (("target", "targetPrefix"), ("json_version", "jsonVersion"), ("namespace", "xmlNamespace")):
            if meta.get(theirs):
                out[ours] = meta[theirs]
        if "awsQueryCompatible" in meta:
            out["query_compatible"] = True
        out["hosts"] = hosts(self.service)
        out["operations"] = {name: self.operation(name) for name in sorted(operations)}
        out["shapes"] = dict(sorted(self.shapes.items()))
        return out


def resolve(service, region):
    """Host and signing region that botocore's endpoint rules give."""
    client = SESSION.create_client(service, region_name=region, aws_access_key_id="a", aws_secret_access_key="b")
    operation = client.meta.service_model.operation_model(client.meta.service_model.operation_names[0])
    context = {"client_config": client.meta.config}
    try:
        client._resolve_endpoint_ruleset(operation, {}, context)  # noqa: SLF001
        signing = context.get("signing", {}).get("region") or region
    except Exception:  # noqa: BLE001 - rules that need parameters: the plain endpoint of the client
        signing = region
    return client.meta.endpoint_url.removeprefix("https://").rstrip("/"), signing


def hosts(service):
    """Per partition the host, with `{region}` in it or with the one region of a host for all; regions that differ."""
    out = {}
    for partition in PARTITIONS:
        answers = {region: resolve(service, region) for region in REGIONS[partition]}
        candidates = []
        for region, (host, signing) in answers.items():
            labels = ["{region}" if label == region else label for label in host.split(".")]
            candidates.append({"host": ".".join(labels)} if signing == region else {"host": host, "region": signing})
            if signing == region:
                candidates.append({"host": host, "region": signing})

        def says(candidate, region):
            return candidate["host"].replace("{region}", region), candidate.get("region", region)

        best = max(candidates, key=lambda candidate: sum(says(candidate, r) == answers[r] for r in answers))
        others = {r: {"host": h, "region": s} for r, (h, s) in answers.items() if says(best, r) != (h, s)}
        out[partition] = {**best, "except": others} if others else best
    return out


def dump(model):
    """JSON with one line per operation and shape, so that differences can be read."""
    text = lambda value: json.dumps(value, separators=(",", ":"), sort_keys=True)  # noqa: E731
    lines = ["{"]
    lines.append(f'"source":{text(model["source"])},')
    lines.append(f'"partitions":{text(model["partitions"])},')
    lines.append('"services":{')
    services = []
    for name, service in sorted(model["services"].items()):
        head = {key: value for key, value in service.items() if key not in ("operations", "shapes")}
        part = [f"{text(name)}:{text(head)[:-1]}"]
        for key in ("operations", "shapes"):
            rows = ",\n".join(f"{text(k)}:{text(v)}" for k, v in service[key].items())
            part.append(f',"{key}":{{\n{rows}\n}}')
        services.append("".join(part) + "}")
    lines.append(",\n".join(services))
    lines.append("}}")
    return "\n".join(lines) + "\n"


def main():
    global SESSION, REGIONS
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the written model instead of writing it")
    arguments = parser.parse_args()
    inside_environment()
    os.environ.update(
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_S3_US_EAST_1_REGIONAL_ENDPOINT="regional",
        AWS_STS_REGIONAL_ENDPOINTS="regional",
    )
    import botocore.loaders
    import botocore.session

    SESSION = botocore.session.get_session()
    loader = botocore.loaders.Loader()
    known = {partition["id"]: partition for partition in loader.load_data("partitions")["partitions"]}
    REGIONS = {
        name: sorted(region for region in known[name]["regions"] if not region.endswith("-global")) for name in PARTITIONS
    }
    wanted = {}
    for service, operation in content_operations() | OWN:
        wanted.setdefault(service, set()).add(operation)
    model = {
        "source": f"botocore {BOTOCORE}",
        "partitions": {
            name: {"suffix": known[name]["outputs"]["dnsSuffix"], "regions": REGIONS[name]} for name in PARTITIONS
        },
        "services": {service: Cut(loader, service).cut(operations) for service, operations in sorted(wanted.items())},
    }
    text = dump(model)
    json.loads(text)
    if arguments.check:
        if not MODEL.exists() or MODEL.read_text(encoding="utf-8") != text:
            sys.exit(f"{MODEL.relative_to(ROOT)} is not what tools/aws_models.py writes: run it and commit")
        return
    MODEL.parent.mkdir(parents=True, exist_ok=True)
    MODEL.write_text(text, encoding="utf-8")
    operations = sum(len(service["operations"]) for service in model["services"].values())
    shapes = sum(len(service["shapes"]) for service in model["services"].values())
    print(f"{len(model['services'])} services, {operations} operations, {shapes} shapes, {len(text):,} bytes")


if __name__ == "__main__":
    main()
