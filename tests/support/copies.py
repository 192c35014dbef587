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
import functools
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
from xml.sax.saxutils import escape

import xmltodict

os.environ.setdefault("MINISTACK_ACCOUNT_ID", "123456789012")
os.environ.setdefault("LOG_LEVEL", "CRITICAL")
# Certificates are issued when they are first looked at.
os.environ.setdefault("MOTO_ACM_VALIDATION_WAIT", "0")

import ministack.app
from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict
from ministack.services import backup, cloudcontrol, cloudwatch
from moto import backends as moto_backends
from moto.acm.models import CertBundle
from moto.cloudtrail.models import Trail
from moto.core.base_backend import BackendDict
from moto.core.resource_tagging import TaggableResourcesMixin, TaggedResource
from moto.core.responses import ActionResult, EmptyResult
from moto.core.serialize import S3Serializer
from moto.core.utils import camelcase_to_underscores
from moto.ec2.models.dhcp_options import DHCPOptionsSetBackend
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.ec2.responses.dhcp_options import DHCPOptions
from moto.elbv2.models import ELBv2Backend, elbv2_backends
from moto.events.models import EventsBackend
from moto.iam.access_control import PermissionResult
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse
from moto.logs.responses import LogsResponse
from moto.rds.models import RDSBackend, SnapshotAttributesMixin
from moto.resourcegroupstaggingapi import models as tag_index
from moto.route53.exceptions import ConflictingDomainExists
from moto.route53.models import Route53Backend
from moto.s3.models import FakeBucket, S3Backend
from moto.s3.responses import S3Response
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sns.responses import SNSResponse
from moto.ssm.responses import SimpleSystemManagerResponse
from moto.wafv2.models import WAFV2Backend
from moto.wafv2.responses import WAFV2Response
from werkzeug.serving import make_server

moto = DomainDispatcherApplication(create_backend_app)
listener = None

# Services that a second emulator, in the same process, knows better: by the name under which their requests are signed.
ELSEWHERE = {"backup", "cloudcontrolapi", "monitoring"}
# What services call the token that makes a creating call idempotent.
TOKENS = ("ClientToken", "ClientRequestToken", "clientToken", "CreatorRequestId", "IdempotencyToken")
# Attributes of topics that the emulator is given and does not tell.
FEEDBACK = ("SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn")
TOPIC_ATTRIBUTES = [p + name for p in ("HTTP", "Firehose", "Lambda", "Application", "SQS") for name in FEEDBACK]
TOPIC_ATTRIBUTES += ["ArchivePolicy", "FifoThroughputScope", "MaximumMessageSize", "SignatureVersion", "TracingConfig"]
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


@functools.cache
def loop_of(process):
    return asyncio.new_event_loop()


def loop():
    """One for each process: what a copy inherits is still its parent's. Requests come one after the other."""
    return loop_of(os.getpid())


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

    loop().run_until_complete(ministack.app.app(scope, receive, send))
    start_response(f"{status} {'OK' if status < 400 else 'Error'}", head)
    return [b"".join(parts)]


class Watching:
    """The second emulator's tags of alarms and dashboards, for the index of tags, which is the first one's."""

    def __init__(self, region):
        self.region = region

    def iter_tagged_resources(self):
        for arn, tags in cloudwatch._resource_tags.items():
            _, _, _, region, _, name = arn.split(":", 5)
            if region in (self.region, ""):
                sort = name.replace("/", ":").split(":")[0]
                yield TaggedResource(arn=arn, tags=dict(tags), resource_type=f"cloudwatch:{sort}")


class Buckets:
    """The buckets of one region: the index would tell those of all in each."""

    def __init__(self, backend, region):
        self.backend, self.region = backend, region

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def iter_tagged_resources(self):
        for tagged in self.backend.iter_tagged_resources():
            bucket = self.backend.buckets.get(tagged.arn.split(":::")[-1])
            if bucket is None or bucket.region_name == self.region:
                yield tagged


def improve():
    """What AWS does and the emulator does not, and without which objects would seem to be left behind or unowned."""
    create_dhcp_options = DHCPOptions.create_dhcp_options
    associate_dhcp_options = DHCPOptionsSetBackend.associate_dhcp_options
    delete_nat_gateway = NatGatewayBackend.delete_nat_gateway
    delete_vpc = VPCBackend.delete_vpc
    describe_certificate = CertBundle.describe
    associate_vpc = Route53Backend.associate_vpc_with_hosted_zone
    update_user = IAMBackend.update_user
    update_group = IAMBackend.update_group
    handle_backup = backup.handle_request
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

    def describe_for_lists_too(self):
        answer = describe_certificate(self)
        # Lists call them otherwise.
        answer["Certificate"]["SubjectAlternativeNameSummaries"] = self.sans
        answer["Certificate"]["ExportOption"] = self.cert_options["Export"]
        return answer

    def associate_once(self, zone_id, vpcid, vpcregion):
        zone = self.get_hosted_zone(zone_id)
        if any(vpc["vpc_id"] == vpcid for vpc in zone.vpcs):
            raise ConflictingDomainExists(zone.name, None)
        return associate_vpc(self, zone_id, vpcid, vpcregion)

    def delete_and_release(self, nat_gateway_id):
        gateway = delete_nat_gateway(self, nat_gateway_id)
        for address in list(self.addresses):
            if address.eni is gateway._eni:
                self.disassociate_address(association_id=address.association_id)
        return gateway

    describe_option_groups = RDSBackend.describe_option_groups
    modify_db_subnet_group = RDSBackend.modify_db_subnet_group
    iter_tagged_resources = RDSBackend.iter_tagged_resources

    def modify_and_keep(self, subnet_name, description, subnets):
        # It takes the group out of its list, and does not put it back.
        group = modify_db_subnet_group(self, subnet_name, description, subnets)
        self.subnet_groups[subnet_name] = group
        return group

    def all_or_one(self, arguments):
        # It fails without a name, and where there are none.
        named = arguments.get("option_group_name")
        return describe_option_groups(self, arguments) if named else list(self.option_groups.values())

    def with_groups(self):
        # The index of tags knows them too: their lists show none.
        yield from iter_tagged_resources(self)
        for sort, groups in (
            ("subgrp", self.subnet_groups),
            ("pg", self.db_parameter_groups),
            ("cluster-pg", self.db_cluster_parameter_groups),
            ("og", self.option_groups),
        ):
            for group in groups.values():
                tags = {tag["Key"]: tag["Value"] for tag in group.get_tags()}
                yield TaggedResource(arn=group.arn, tags=tags, resource_type=f"rds:{sort}")

    modify_attribute = SnapshotAttributesMixin.modify_attribute

    def modify_and_keep_apart(self, name, add, remove):
        # An account that is added twice is there twice.
        modify_attribute(self, name, [value for value in add or [] if value not in self.attributes[name]], remove)

    SnapshotAttributesMixin.modify_attribute = modify_and_keep_apart
    RDSBackend.describe_option_groups = all_or_one
    RDSBackend.modify_db_subnet_group = modify_and_keep
    RDSBackend.iter_tagged_resources = with_groups

    async def handle_parts_of_vaults(method, path, headers, body, query):
        """Keeps a vault's policy, notices and lock with the vault: what was written is lost otherwise."""
        parts = path.strip("/").split("/")
        vault = backup._vaults.get(parts[1]) if len(parts) == 3 and parts[0] == "backup-vaults" else None
        if vault is None or parts[2] not in ("access-policy", "notification-configuration", "vault-lock"):
            return await handle_backup(method, path, headers, body, query)
        if method == "GET":
            if parts[2] not in vault:
                return await handle_backup(method, path, headers, body, query)
            return 200, {"Content-Type": "application/json"}, json.dumps(vault[parts[2]]).encode()
        vault.pop(parts[2], None)
        if method == "PUT":
            vault[parts[2]] = json.loads(body)
        lock = vault.get("vault-lock", {})
        days = lock.get("ChangeableForDays")
        vault["LockDate"] = int(time.time()) + days * 86400 if days else None
        vault["Locked"] = "vault-lock" in vault
        for bound in ("MinRetentionDays", "MaxRetentionDays"):
            vault[bound] = lock.get(bound)
        return 200, {"Content-Type": "application/json"}, b""

    def lets_logs_in(target_bucket, target_prefix):
        # It fails on a principal that is no mapping, and takes no lists.
        def listed(value):
            return value if isinstance(value, list) else [value]

        statements = json.loads(target_bucket.policy or b"{}").get("Statement", [])
        return any(
            s["Effect"] == "Allow"
            and isinstance(s["Principal"], dict)
            and "logging.s3.amazonaws.com" in listed(s["Principal"].get("Service"))
            and "s3:PutObject" in listed(s["Action"])
            for s in statements
        )

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
    CertBundle.describe = describe_for_lists_too
    Route53Backend.associate_vpc_with_hosted_zone = associate_once
    NatGatewayBackend.delete_nat_gateway = delete_and_release
    VPCBackend.delete_vpc = delete_without_options

    def update_user_with_its_tags(self, user_name, new_path=None, new_user_name=None):
        user = self.get_user(user_name)
        tags = self.tagger.list_tags_for_resource(user.arn)["Tags"]
        self.tagger.delete_all_tags_for_resource(user.arn)
        update_user(self, user_name, new_path, new_user_name)
        self.tagger.tag_resource(user.arn, tags)

    def update_group_with_path(self, group_name, new_group_name, new_path):
        # It takes a path only with a name.
        if new_path and not new_group_name:
            self.get_group(group_name).path = new_path
        return update_group(self, group_name, new_group_name, new_path)

    IAMBackend.update_user = update_user_with_its_tags
    IAMBackend.update_group = update_group_with_path
    # Nobody has any.
    IamResponse.list_service_specific_credentials = lambda self: ActionResult({"ServiceSpecificCredentials": []})
    # It can make none; every run looks for them.
    SimpleSystemManagerResponse.list_associations = lambda self: ActionResult({"Associations": []})
    # It knows no conditions: what a policy denies to some it would deny to all.
    FakeBucket.get_permission = lambda self, action, resource: PermissionResult.NEUTRAL
    FakeBucket._log_permissions_enabled_policy = staticmethod(lets_logs_in)
    backup.handle_request = handle_parts_of_vaults
    # It looks through its own folder at every request.
    modules = frozenset(moto_backends.list_of_moto_modules())
    moto_backends.list_of_moto_modules = lambda: modules
    # What is written stands in place of what was there, and not beside it.
    Trail.put_insight_selectors = lambda self, insight_selectors: setattr(self, "insight_selectors", insight_selectors)
    # Its tags as they are, not as they were when it was made.
    LaunchTemplate.tags = property(lambda self: self.get_tags(), lambda self, tags: None)


def improve_what_watches():
    """The same for topics, alarms, dashboards, filters and rules."""
    create_topic = SNSResponse.create_topic
    get_topic_attributes = SNSResponse.get_topic_attributes

    def create_protected_topic(self):
        answer = create_topic(self)
        policy = self._get_param("DataProtectionPolicy")
        if policy:
            self.backend.get_topic(answer.result["TopicArn"]).data_protection_policy = policy
        return answer

    def get_all_topic_attributes(self):
        answer = get_topic_attributes(self)
        topic = self.backend.get_topic(self._get_param("TopicArn"))
        told = {name: getattr(topic, camelcase_to_underscores(name), None) for name in TOPIC_ATTRIBUTES}
        answer.result["Attributes"].update({name: value for name, value in told.items() if value is not None})
        return answer

    def get_data_protection_policy(self):
        topic = self.backend.get_topic(self._get_param("ResourceArn"))
        return ActionResult({"DataProtectionPolicy": getattr(topic, "data_protection_policy", "")})

    def put_data_protection_policy(self):
        topic = self.backend.get_topic(self._get_param("ResourceArn"))
        topic.data_protection_policy = self._get_param("DataProtectionPolicy")
        return EmptyResult()

    list_dashboards = cloudwatch._list_dashboards
    put_dashboard = cloudwatch._put_dashboard
    validate_tag_arn = cloudwatch._validate_alarm_tag_arn
    taggable = tag_index.iter_taggable_backends

    def put_dashboard_with_tags(params, data, is_cbor, is_json=False):
        new = data.get("DashboardName") not in cloudwatch._dashboards
        answer = put_dashboard(params, data, is_cbor, is_json)
        if new and answer[0] == 200:
            arn = cloudwatch._dashboards[data["DashboardName"]]["DashboardArn"]
            cloudwatch._resource_tags[arn] = {t["Key"]: t["Value"] for t in data.get("Tags") or []}
        return answer

    def validate_any_tag_arn(arn, is_json=False, is_cbor=False):
        if any(d["DashboardArn"] == arn for d in cloudwatch._dashboards.values()):
            return None
        return validate_tag_arn(arn, is_json, is_cbor)

    def list_dashboards_with_times_left_out(params, data, is_cbor, is_json=False):
        if not is_cbor:
            return list_dashboards(params, data, is_cbor, is_json)
        prefix = data.get("DashboardNamePrefix") or ""
        told = ("DashboardName", "DashboardArn", "Size")
        all = [d for name, d in sorted(cloudwatch._dashboards.items()) if name.startswith(prefix)]
        return cloudwatch._cbor_ok({"DashboardEntries": [{name: d[name] for name in told} for d in all]})

    def taggable_of_both(account, region):
        for backend in taggable(account, region):
            yield Buckets(backend, region) if isinstance(backend, S3Backend) else backend
        yield Watching(region)

    put_metric_filter = LogsResponse.put_metric_filter
    tagged_buses = EventsBackend.iter_tagged_resources

    def put_metric_filter_once(self):
        filters = self.logs_backend.filters.metric_filters
        key = {name: self._get_param(name) for name in ("filterName", "logGroupName")}
        filters[:] = [f for f in filters if not key.items() <= f.items()]
        answer = put_metric_filter(self)
        lost = ("applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFieldDimensions")
        filters[-1].update({name: self._get_param(name) for name in lost if self._get_param(name) is not None})
        return answer

    def tagged_buses_and_rules(self):
        yield from tagged_buses(self)
        for bus in self.event_buses.values():
            for rule in bus.rules.values():
                tags = self.tagger.get_tag_dict_for_resource(rule.arn)
                yield TaggedResource(arn=rule.arn, tags=tags, resource_type="events:rule")

    # Makes a second filter of the same name, and loses what it is given.
    LogsResponse.put_metric_filter = put_metric_filter_once
    # The index knows no rules.
    EventsBackend.iter_tagged_resources = tagged_buses_and_rules
    # Knows no tags of dashboards, and the index nothing of either.
    cloudwatch._put_dashboard = put_dashboard_with_tags
    cloudwatch._validate_alarm_tag_arn = validate_any_tag_arn
    # Gives their times as text, which this protocol does not.
    cloudwatch._list_dashboards = list_dashboards_with_times_left_out
    tag_index.iter_taggable_backends = taggable_of_both
    # Loses what it is given.
    SNSResponse.create_topic = create_protected_topic
    SNSResponse.get_topic_attributes = get_all_topic_attributes
    SNSResponse.get_data_protection_policy = get_data_protection_policy
    SNSResponse.put_data_protection_policy = put_data_protection_policy
def improve_balancing():
    """A listener has a certificate once, however often it is added. A load balancer has one web access list, which tells what
    it stands before; the index of tags knows them."""
    add = ELBv2Backend.add_listener_certificates
    associate = WAFV2Backend.associate_web_acl

    def add_once(self, arn, certificates):
        there = self.describe_listener_certificates(arn)
        return add(self, arn, [c for c in certificates if c["CertificateArn"] not in there])

    def associate_in_place_of_another(self, web_acl_arn, resource_arn):
        self.disassociate_web_acl(resource_arn)
        associate(self, web_acl_arn, resource_arn)

    def list_resources(self):
        list_ = self.wafv2_backend.get_web_acl(json.loads(self.body)["WebACLArn"], None, None)
        return 200, {}, json.dumps({"ResourceArns": list_.associated_resources})

    def tagged(self):
        for arn in self.wacls:
            tags = self.tagging_service.get_tag_dict_for_resource(arn)
            yield TaggedResource(arn=arn, tags=tags, resource_type="wafv2:webacl")

    def users(self):
        _, _, _, region, account, _ = self.arn.split(":", 5)
        balancers = elbv2_backends[account][region].load_balancers.values()
        return [b.arn for b in balancers if any(self.arn in (l.certificates or []) for l in b.listeners.values())]

    # It would stay in use when its listener is gone.
    CertBundle.in_use_by = property(users, lambda self, value: None)
    ELBv2Backend.add_listener_certificates = add_once
    WAFV2Backend.associate_web_acl = associate_in_place_of_another
    WAFV2Response.list_resources_for_web_acl = list_resources
    WAFV2Backend.SERVICE_NAMESPACE = "wafv2"
    WAFV2Backend.__bases__ += (TaggableResourcesMixin,)
    WAFV2Backend.iter_tagged_resources = tagged


answered = {}
turn = threading.Lock()
counting = threading.Lock()
accepted = 0


# What CloudFormation's registry says of the one type of which the tests make objects; no emulator has the registry.
TYPE = {
    "typeName": "AWS::SecretsManager::Secret",
    "properties": {
        "Name": {"type": "string"},
        "Description": {"type": "string"},
        "SecretString": {"type": "string"},
        "ReplicaRegions": {"type": "array", "insertionOrder": False, "items": {"type": "object"}},
        "Tags": {"type": "array", "items": {"properties": {"Key": {}, "Value": {}}}},
        "Id": {"type": "string"},
    },
    "createOnlyProperties": ["/properties/Name"],
    "readOnlyProperties": ["/properties/Id"],
    "writeOnlyProperties": ["/properties/SecretString"],
    "primaryIdentifier": ["/properties/Id"],
    "tagging": {"taggable": True, "tagOnCreate": True, "tagUpdatable": True, "tagProperty": "/properties/Tags"},
}


def describe_type(environ, start_response):
    schema = escape(json.dumps(TYPE))
    result = f"<DescribeTypeResult><Schema>{schema}</Schema></DescribeTypeResult>"
    text = f"<DescribeTypeResponse>{result}</DescribeTypeResponse>".encode()
    start_response("200 OK", [("Content-Length", str(len(text))), ("Content-Type", "text/xml")])
    return [text]


def answer(environ, start_response):
    """The emulator that knows the service. What it does not have is answered so that no client asks again and again."""
    if signed_for(environ) == "cloudformation":
        return describe_type(environ, start_response)
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
                if accounts.service_name == "ec2":
                    # And which servers run.
                    servers = [i for r in backend.reservations.values() for i in r.instances]
                    counts[f"ec2/{region}/running"] = sum(i._state.name == "running" for i in servers)
                if accounts.service_name == "route53":
                    # What zones hold is counted, too.
                    held = [len(zone.rrsets) + len(zone.vpcs) for zone in backend.zones.values()]
                    counts[f"route53/{region}/records"] = sum(held)
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
    improve_what_watches()
    improve_balancing()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    threading.Thread(target=watch_input, daemon=True).start()
    first = listen()
    print(first.getsockname()[1], flush=True)
    serve(first)
