#!/usr/bin/python3
"""Writes test/data/sigv4/cases.json: requests and what Debian's python3-botocore signs them with.

Usage: tools/make_sigv4_cases.py [--check]   (--check: compares with the file instead of writing it)
The draws are seeded, so that the file changes only when this script or botocore does.
"""
import datetime
import json
import pathlib
import random
import string
import sys
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FILE = pathlib.Path(__file__).parent.parent / "test/data/sigv4/cases.json"
# Fields of a request that are sent but not signed: hop-by-hop ones, and those that proxies rewrite.
UNSIGNED = {"accept-encoding", "user-agent", "connection", "expect", "te", "traceparent", "x-amzn-trace-id"}
KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")  # AWS's published example pair.


def sign(case):
    """The lines that botocore adds to the request."""
    request = AWSRequest(method=case["method"], url="https://" + case["host"] + case["path"], data=case["body"].encode())
    for name, value in case["fields"]:
        if name.lower() not in UNSIGNED:
            request.headers[name] = value
    auth = SigV4Auth(Credentials(case["access_key"], case["secret_key"], case["token"] or None), case["service"], case["region"])
    request.context["timestamp"] = datetime.datetime.utcfromtimestamp(case["time"]).strftime("%Y%m%dT%H%M%SZ")
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    auth._inject_signature_to_request(request, auth.signature(auth.string_to_sign(request, canonical), request))
    names = ["X-Amz-Date", "X-Amz-Security-Token", "Authorization"]
    return [[name, request.headers[name]] for name in names if name in request.headers]


def published():
    """The first vector of AWS's own suite, and a Bedrock request."""
    yield {"name": "get-vanilla", "method": "GET", "host": "example.amazonaws.com", "path": "/", "fields": [], "body": "",
           "region": "us-east-1", "service": "service", "access_key": KEYS[0], "secret_key": KEYS[1], "token": "",
           "time": 1440938160}
    yield {"name": "converse", "method": "POST", "host": "bedrock-runtime.us-east-1.amazonaws.com",
           "path": "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
           "fields": [["Content-Type", "application/json"]],
           "body": '{"messages":[{"role":"user","content":[{"text":"hi"}]}]}', "region": "us-east-1", "service": "bedrock",
           "access_key": KEYS[0], "secret_key": KEYS[1], "token": "", "time": 1735689600}


def drawn(draw, number):
    text = lambda letters, most: "".join(draw.choice(letters) for _ in range(draw.randint(0, most)))
    letters = string.ascii_letters + string.digits
    model = "x" + text(letters + ":/.-_~ +&=%@!$'()*,;é", 60)
    path = "/model/" + urllib.parse.quote(model, safe="-_.~") + draw.choice(["/converse", "/converse-stream", "/invoke"])
    if draw.random() < 0.4:
        pairs = [text(letters + "-_.~", 8) + draw.choice(["=", "=", ""]) + urllib.parse.quote(text(letters + " /+&é", 8), safe="~")
                 for _ in range(draw.randint(1, 5))]
        path += "?" + "&".join("k" + pair for pair in pairs)
    region = draw.choice(["us-east-1", "us-west-2", "eu-central-1", "ap-southeast-2", "us-gov-west-1"])
    fields = [["Content-Type", "application/json"], ["Accept", draw.choice(["application/json", "*/*"])]]
    fields += [["Accept-Encoding", "identity"], ["User-Agent", "turnpike"]] * draw.randint(0, 1) + [["traceparent", "00-ab-cd-01"]] * draw.randint(0, 1)
    fields += [["X-Note", draw.choice(["", " "]) + "a" + " " * draw.randint(1, 3) + text(letters, 10) + draw.choice(["", "  "])]
               for _ in range(draw.randint(0, 3))]
    fields += [["x-amz-" + text(string.ascii_lowercase, 5) + "x", text(letters + ":;,\"", 12)] for _ in range(draw.randint(0, 2))]
    draw.shuffle(fields)
    host = draw.choice([f"bedrock-runtime.{region}.amazonaws.com", f"sts.{region}.amazonaws.com", "127.0.0.1:8123"])
    return {"name": f"drawn {number}", "method": draw.choice(["POST", "POST", "GET", "PUT"]), "host": host, "path": path,
            "fields": fields, "body": text(letters + ' {}":\n\té漢😀', 300), "region": region,
            "service": draw.choice(["bedrock", "bedrock", "sts"]), "access_key": "AKIA" + text(letters, 16),
            "secret_key": "s" + text(letters + "/+", 40), "token": text(letters + "/+=", 80) if draw.random() < 0.5 else "",
            "time": draw.randint(1_400_000_000, 2_000_000_000)}


def main():
    draw = random.Random(20260801)
    cases = list(published()) + [drawn(draw, number) for number in range(200)]
    for case in cases:
        case["added"] = sign(case)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    text = "[\n" + lines + "\n]\n"
    if "--check" not in sys.argv:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        sys.exit(f"{FILE} is not what botocore says: run tools/make_sigv4_cases.py")


main()
