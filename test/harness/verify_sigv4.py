#!/usr/bin/python3
"""Recomputes the signatures of requests with Debian's python3-botocore. One request a line on standard input, as JSON:
{"method", "url", "headers": {...}, "body": <base64>, "access_key", "secret_key"}; one line of JSON answers each:
{"good": true} or {"good": false, "said": ..., "computed": ...}."""
import base64
import json
import re
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FORM = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})")


def verify(case):
    headers = {name.lower(): value for name, value in case["headers"].items()}
    said = FORM.fullmatch(headers.get("authorization", ""))
    if said is None:
        return {"good": False, "said": headers.get("authorization"), "computed": "no signature"}
    key, day, region, service, names, signature = said.groups()
    request = AWSRequest(method=case["method"], url=case["url"], data=base64.b64decode(case["body"]))
    for name in names.split(";"):
        request.headers[name] = headers[name]
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(case["access_key"], case["secret_key"]), service, region)
    computed = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    must = {"host", "x-amz-date", "content-type"} | ({"x-amz-security-token"} & set(headers))
    good = computed == signature and key == case["access_key"] and day == headers["x-amz-date"][:8] and must <= set(names.split(";"))
    return {"good": good, "said": signature, "computed": computed, "service": service, "region": region}


for line in sys.stdin:
    print(json.dumps(verify(json.loads(line))), flush=True)
