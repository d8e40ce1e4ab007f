#!/usr/bin/env python3
"""Google's own client of the Cloud Asset API against the fake, over TLS with its authority: sign in, list, be refused.

    cargo build -p yagura-fakecloud && python3 tests/clients/google_assets.py

Prints as JSON how many assets there are of each type; exit code 0 = all held.
"""

import json
import sys
import tempfile
from collections import Counter

import environment
from fakecloud import check, pem_of, running, signer

ACCOUNT = "fake@fake-project.iam.gserviceaccount.com"


def account(base, key):
    """The service account with this key."""
    from google.oauth2 import service_account

    facts = {"client_email": ACCOUNT, "token_uri": f"{base}/token", "private_key": pem_of(key), "private_key_id": "1"}
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    return service_account.Credentials.from_service_account_info(facts, scopes=scopes)


def with_token(base, key):
    """The access token that the token endpoint gives the account for its JWT."""
    from google.auth.transport.requests import Request
    from google.oauth2.credentials import Credentials

    own = account(base, key)
    own.refresh(Request())
    return Credentials(own.token)


def client(base, credentials):
    """A client over REST. With a service account it sends a JWT that the account signed itself."""
    from google.cloud import asset_v1

    host = {"api_endpoint": base.removeprefix("https://")}
    return asset_v1.AssetServiceClient(credentials=credentials, transport="rest", client_options=host)


def listed(assets, parent, **options):
    """All assets over all pages."""
    return list(assets.list_assets(request={"parent": parent, **options}))


def run(base, key, stranger):
    """Everything, against one fake of 250 assets."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import RefreshError
    from google.cloud.asset_v1 import ContentType

    assets = client(base, with_token(base, key))
    found = listed(assets, "projects/fake-project", content_type=ContentType.RESOURCE, page_size=40)
    check("all pages are there", len(found) == 250 and len({asset.name for asset in found}) == 250)
    check("a resource comes with its data", all(asset.resource.data["name"] for asset in found))
    check("ancestors are there", found[0].ancestors[0] == "projects/123456789012")
    buckets = ["storage.googleapis.com/Bucket"]
    policies = listed(assets, "organizations/222", content_type=ContentType.IAM_POLICY, asset_types=buckets)
    check("policies come with bindings", len(policies) == 125 and all(asset.iam_policy.bindings for asset in policies))
    try:
        listed(assets, "projects/another")
        check("another project is denied", False)
    except GoogleAPICallError as error:
        check("another project is denied", error.code == 403)
    own = client(base, account(base, key))
    check("a JWT of the account's own is taken", len(listed(own, "folders/111", page_size=1000)) == 250)
    try:
        listed(client(base, account(base, stranger)), "projects/fake-project")
        check("one signed by another is not", False)
    except GoogleAPICallError as error:
        check("one signed by another is not", error.code == 401)
    try:
        with_token(base, stranger)
        check("another's key is refused", False)
    except RefreshError as error:
        check("another's key is refused", "Invalid JWT Signature" in str(error))
    print(json.dumps(Counter(asset.asset_type for asset in found), indent=2))


def main():
    """Runs it all."""
    environment.inside()
    with tempfile.TemporaryDirectory() as folder:
        (key, public), (stranger, _) = signer(folder), signer(folder)
        with running("--seed", "250", "--key", f"{ACCOUNT}={public}") as (base, _, _):
            run(base, key, stranger)
    return 0


if __name__ == "__main__":
    sys.exit(main())
