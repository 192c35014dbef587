"""A moto server whose whole state can be copied: a copy is a fork of the process, on a port of its own.

    POST /tests/copy    copies the server; the answer is the copy's port
    GET  /tests/census  counts everything that the emulator holds, tagged or not: {"ec2/us-east-1/vpcs": 2}
    GET  /tests/idle    answers when no request is under way
    POST /tests/end     ends the server

Some services are not moto's: see `ELSEWHERE`.

The first server prints its port, and ends when its standard input closes; a copy ends with the server that it is of.
No request may be under way when a server is copied. Requests are carried out one after the other: in the emulator, what one
has half made is not seen by another, and would be made twice.
"""

import asyncio
import gc
import io
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from urllib.parse import parse_qs

import xmltodict

os.environ.setdefault("MINISTACK_ACCOUNT_ID", "123456789012")
os.environ.setdefault("LOG_LEVEL", "CRITICAL")

import ministack.app
from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict
from ministack.services import backup, cloudcontrol, cloudwatch
from moto.core.base_backend import BackendDict
from moto.cloudtrail.models import Trail
from moto.core.serialize import S3Serializer
from moto.ec2.models.dhcp_options import DHCPOptionsSetBackend
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.ec2.responses.dhcp_options import DHCPOptions
from moto.s3.responses import S3Response
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

moto = DomainDispatcherApplication(create_backend_app)
listener = None

# Services that a second emulator, in the same process, knows better: by the name under which their requests are signed.
ELSEWHERE = {"backup", "cloudcontrolapi", "monitoring"}
# What services call the token that makes a creating call idempotent.
TOKENS = ("ClientToken", "ClientRequestToken", "clientToken", "CreatorRequestId", "IdempotencyToken")
# What answers of S3 are called where the emulator's model does not know it; a strict client takes no other name.
ROOTS = {
    "DeleteObjectsResponse": "DeleteResult",
    "GetBucketAccelerateConfigurationResponse": "AccelerateConfiguration",
    "GetBucketCorsResponse": "CORSConfiguration",
    "GetBucketLifecycleConfigurationResponse": "LifecycleConfiguration",
    "GetBucketLoggingResponse": "BucketLoggingStatus",
    "GetBucketNotificationConfigurationResponse": "NotificationConfiguration",
    "GetBucketNotificationResponse": "NotificationConfiguration",
    "GetBucketTaggingResponse": "Tagging",
    "GetBucketVersioningResponse": "VersioningConfiguration",
    "ListBucketsResponse": "ListAllMyBucketsResult",
    "ListObjectVersionsResponse": "ListVersionsResult",
}
# What these keep of the past: no objects.
PASSING = {"_alarm_history", "_composite_triggers", "_jobs", "_metrics", "_requests"}


def signed_for(environ):
    """The service that a request is signed for: `Credential=KEY/DAY/REGION/SERVICE/aws4_request`."""
    parts = environ.get("HTTP_AUTHORIZATION", "").split("Credential=")[-1].split(",")[0].split("/")
    return parts[3] if len(parts) == 5 else None


def other(environ, start_response):
    """Carries a request out in the second emulator, which speaks another protocol to its server."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    headers = [(k[5:].replace("_", "-").lower(), v) for k, v in environ.items() if k.startswith("HTTP_")]
    headers += [("content-type", environ.get("CONTENT_TYPE", "")), ("content-length", str(length))]
    target, _, query = environ.get("RAW_URI", environ["PATH_INFO"]).partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": "http",
        "path": environ["PATH_INFO"],
        "raw_path": target.encode(),
        "query_string": query.encode(),
        "headers": [(k.encode(), v.encode()) for k, v in headers],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    status, head, parts = 500, [], []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        nonlocal status, head
        if message["type"] == "http.response.start":
            status = message["status"]
            head = [(k.decode(), v.decode()) for k, v in message.get("headers", [])]
        else:
            parts.append(message.get("body", b""))

    asyncio.run(ministack.app.app(scope, receive, send))
    start_response(f"{status} {'OK' if status < 400 else 'Error'}", head)
    return [b"".join(parts)]


def improve():
    """What AWS does and the emulator does not, and without which objects would seem to be left behind or unowned."""
    create_dhcp_options = DHCPOptions.create_dhcp_options
    associate_dhcp_options = DHCPOptionsSetBackend.associate_dhcp_options
    delete_nat_gateway = NatGatewayBackend.delete_nat_gateway
    delete_vpc = VPCBackend.delete_vpc
    put_bucket = S3Response._bucket_response_put
    serialize_body = S3Serializer._serialize_body

    def create_with_tags(self):
        answer = create_dhcp_options(self)
        answer.result["DhcpOptions"].add_tags(self._parse_tag_specification().get("dhcp-options", {}))
        return answer

    def associate_in_place_of_another(self, options, vpc):
        self.disassociate_dhcp_options(vpc)
        associate_dhcp_options(self, options, vpc)

    def delete_without_options(self, vpc_id):
        if vpc_id in self.vpcs:
            self.disassociate_dhcp_options(self.vpcs[vpc_id])
        return delete_vpc(self, vpc_id)

    def delete_and_release(self, nat_gateway_id):
        gateway = delete_nat_gateway(self, nat_gateway_id)
        for address in list(self.addresses):
            if address.eni is gateway._eni:
                self.disassociate_address(association_id=address.association_id)
        return gateway

    def create_bucket_with_tags(self, request, bucket_name, querystring):
        answer = put_bucket(self, request, bucket_name, querystring)
        if not querystring and b"<Tags>" in self.body:
            tags = xmltodict.parse(self.body, force_list=("Tag",))["CreateBucketConfiguration"]["Tags"]["Tag"]
            self.backend.put_bucket_tagging(bucket_name, {t["Key"]: t["Value"] or "" for t in tags})
        return answer

    DHCPOptions.create_dhcp_options = create_with_tags
    S3Response._bucket_response_put = create_bucket_with_tags
    S3Serializer._serialize_body = lambda self, body: serialize_body(self, {ROOTS.get(k, k): v for k, v in body.items()})
    DHCPOptionsSetBackend.associate_dhcp_options = associate_in_place_of_another
    NatGatewayBackend.delete_nat_gateway = delete_and_release
    VPCBackend.delete_vpc = delete_without_options
    # What is written stands in place of what was there, and not beside it.
    Trail.put_insight_selectors = lambda self, insight_selectors: setattr(self, "insight_selectors", insight_selectors)
    # Its tags as they are, not as they were when it was made.
    LaunchTemplate.tags = property(lambda self: self.get_tags(), lambda self, tags: None)


answered = {}
turn = threading.Lock()
counting = threading.Lock()
accepted = 0


def answer(environ, start_response):
    """The emulator that knows the service. What it does not have is answered so that no client asks again and again."""
    try:
        return (other if signed_for(environ) in ELSEWHERE else moto)(environ, start_response)
    except Exception as error:
        text = f"the emulator does not have this: {error!r}".encode()
        start_response("501 Not Implemented", [("Content-Length", str(len(text)))])
        return [text]


def token_of(body, environ):
    """Operation and client token of a request; no token if it carries none."""
    if "HTTP_X_AMZ_TARGET" in environ or environ.get("CONTENT_TYPE", "").startswith("application/json"):
        try:
            members = json.loads(body or b"{}")
        except ValueError:
            members = {}
        tokens = [members[name] for name in TOKENS if isinstance(members, dict) and name in members]
        operation = environ.get("HTTP_X_AMZ_TARGET") or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    else:
        form = parse_qs(body.decode(errors="replace"))
        tokens = [form[name][0] for name in TOKENS if name in form]
        operation = form.get("Action", [""])[0]
    return operation, tokens[0] if tokens else ""


def by_token(environ, start_response):
    """A call with a client token that was made before gets the answer that it got, and has no further effect."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length < 1_000_000 else b""
    if length < 1_000_000:
        environ["wsgi.input"] = io.BytesIO(body)
    operation, token = token_of(body, environ)
    if not token or environ["REQUEST_METHOD"] not in ("POST", "PUT") or signed_for(environ) is None:
        return answer(environ, start_response)
    key = (environ["HTTP_AUTHORIZATION"].split("/")[2], signed_for(environ), operation, token)
    if key not in answered:
        head = []

        def start(status, headers, exc_info=None):
            head[:] = [status, headers]
            return start_response(status, headers, exc_info)

        content = b"".join(answer(environ, start))
        if head[0].startswith("200"):
            answered[key] = (body, head, content)
        return [content]
    same, head, content = answered[key]
    if same != body:
        text = b"<Response><Errors><Error><Code>IdempotentParameterMismatch</Code></Error></Errors></Response>"
        start_response("400 Bad Request", [("Content-Length", str(len(text)))])
        return [text]
    start_response(*head)
    return [content]


def listen():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(64)
    return s


def serve(s):
    global listener
    listener = s
    make_server(
        "127.0.0.1", s.getsockname()[1], application, threaded=True, request_handler=Handler, fd=s.fileno()
    ).serve_forever()


def watch_parent(parent):
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def copy(connection):
    global accepted, listener
    s = listen()
    parent = os.getpid()
    gc.freeze()
    if os.fork() == 0:
        # What belongs to the server that this is a copy of; its threads are not here any more.
        os.close(connection.fileno())
        listener.close()
        accepted = 0
        threading.Thread(target=watch_parent, args=(parent,), daemon=True).start()
        try:
            serve(s)
        finally:
            os._exit(1)
    port = s.getsockname()[1]
    s.close()
    return str(port)


def size(value):
    """How many things are in a collection, those of collections in it included."""
    if isinstance(value, dict):
        return sum(size(v) for v in value.values())
    if isinstance(value, (list, set, tuple)):
        return sum(size(v) for v in value)
    return 1


def census():
    counts = {}
    for accounts in BackendDict._instances:
        for regions in accounts.values():
            for region, backend in regions.items():
                for name, value in vars(backend).items():
                    if isinstance(value, (dict, list, set)) and size(value):
                        counts[f"{accounts.service_name}/{region}/{name}"] = size(value)
    for module in (backup, cloudcontrol, cloudwatch):
        for name, value in vars(module).items():
            held = isinstance(value, (AccountScopedDict, AccountRegionScopedDict)) and name not in PASSING
            if held and size(value.to_dict()):
                counts[f"{module.__name__}{name}"] = size(value.to_dict())
    return counts


class Handler(MotoRequestHandler):
    """Counts requests from the moment at which their connection is there: the client may be gone before they are read."""

    def handle_one_request(self):
        global accepted
        with counting:
            accepted += 1
        try:
            super().handle_one_request()
        finally:
            with counting:
                accepted -= 1


def wait_until_idle():
    until = time.monotonic() + 30
    while accepted > 1 and time.monotonic() < until:
        time.sleep(0.005)
    return "idle" if accepted == 1 else "busy"


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/tests/copy":
        text = copy(environ["werkzeug.socket"])
    elif path == "/tests/census":
        text = json.dumps(census())
    elif path == "/tests/end":
        os._exit(0)
    elif path == "/tests/idle":
        text = wait_until_idle()
    else:
        with turn:
            return list(by_token(environ, start_response))
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text.encode()]


def watch_input():
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    improve()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    threading.Thread(target=watch_input, daemon=True).start()
    first = listen()
    print(first.getsockname()[1], flush=True)
    serve(first)
