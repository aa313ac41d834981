"""Calendar v3 over HTTP: which operation a request is, and its answer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from identsync.demo.google.body import known_zone
from identsync.demo.google.calendars import calendars_of
from identsync.demo.google.cloud import Cloud
from identsync.demo.google.listing import listed
from identsync.demo.google.reply import OAuthRefusal, Refusal, Reply, invalid, json

_CALENDAR = r"/calendar/v3/calendars/(?P<calendar>[^/]+)"
_ROUTES = [
    ("make", "POST", re.compile(r"/calendar/v3/calendars")),
    ("calendars", "GET", re.compile(r"/calendar/v3/users/me/calendarList")),
    ("drop", "DELETE", re.compile(_CALENDAR)),
    ("calendar", "GET", re.compile(_CALENDAR)),
    ("list", "GET", re.compile(_CALENDAR + "/events")),
    ("insert", "POST", re.compile(_CALENDAR + "/events")),
    ("get", "GET", re.compile(_CALENDAR + "/events/(?P<event>[^/]+)")),
    ("update", "PUT", re.compile(_CALENDAR + "/events/(?P<event>[^/]+)")),
    ("delete", "DELETE", re.compile(_CALENDAR + "/events/(?P<event>[^/]+)")),
    ("batch", "POST", re.compile("/batch/calendar/v3")),
    ("consent", "GET", re.compile("/o/oauth2/v2/auth|/oauth/consent")),
    ("answered", "GET", re.compile("/consent")),
    ("token", "POST", re.compile("(/oauth)?/token")),
    ("device", "POST", re.compile("/device/code|/oauth/device")),
    ("revoke", "POST", re.compile("(/oauth)?/revoke")),
]
_WRITE_QUERY = {"alt", "fields", "prettyPrint", "quotaUser", "sendUpdates", "sendNotifications", "maxAttendees",
                "conferenceDataVersion", "supportsAttachments"}  # fmt: skip


@dataclass(slots=True)
class Request:
    """A request and the operation it is; ``what`` is '' where there is no such operation."""

    what: str
    places: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, verb: str, target: str, headers: Mapping[str, str], body: bytes) -> "Request":
        """Read the operation from verb and path."""
        url = urlsplit(target)
        for what, method, pattern in _ROUTES:
            if method == verb and (match := pattern.fullmatch(url.path)):
                places = {key: unquote(value) for key, value in match.groupdict().items()}
                return cls(what, places, dict(parse_qsl(url.query, keep_blank_values=True)), headers, body)
        return cls("", {}, {}, headers, body)


def answer(cloud: Cloud, request: Request) -> Reply:
    """Answer one request, of whatever kind."""
    try:
        if request.what == "batch":
            return _batch(cloud, request)
        if request.what in ("consent", "answered"):
            return _browser(cloud, request)
        if request.what in ("token", "device", "revoke"):
            return _oauth(cloud, request)
        return _calendar(cloud, request)
    except (Refusal, OAuthRefusal) as refusal:
        return refusal.reply()


def _browser(cloud: Cloud, request: Request) -> Reply:
    query = dict(request.query)
    return cloud.oauth.consent(query) if request.what == "consent" else cloud.oauth.answered(query, query.pop("answer"))


def _oauth(cloud: Cloud, request: Request) -> Reply:
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise OAuthRefusal(400, "invalid_request", "Bad content type")
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    doors = {"token": cloud.oauth.token, "device": cloud.oauth.device, "revoke": cloud.oauth.revoke}
    return doors[request.what](form)


def _calendar(cloud: Cloud, request: Request) -> Reply:
    if not request.what:
        raise Refusal(404, "notFound", "Not Found")
    who = cloud.oauth.whose(request.headers)
    cloud.quota.take(who.user, cloud.options, cloud.now_ms)
    if request.what == "make":
        return _make(cloud, request, who.user, who.client)
    if request.what == "calendars":
        return json(calendars_of(cloud, who, request.query))
    calendar = cloud.calendar(request.places["calendar"], who.user, who.client)
    identity, if_match = request.places.get("event", ""), request.headers.get("if-match")
    match request.what:
        case "list":
            return json(listed(cloud, calendar, request.query))
        case "get":
            return json(cloud.resource(calendar, cloud.get(calendar, identity)))
        case "calendar":
            return json(
                {"kind": "calendar#calendar", "id": calendar.id, "summary": calendar.title, "timeZone": calendar.zone}
            )
        case "drop":
            cloud.drop(calendar, "app")
            return Reply(204)
        case "delete":
            cloud.delete(calendar, identity, if_match, "app")
            return Reply(204)
        case "insert":
            return json(cloud.resource(calendar, cloud.insert(calendar, _body(request), "app")))
        case _:
            return json(cloud.resource(calendar, cloud.update(calendar, identity, _body(request), if_match, "app")))


def _make(cloud: Cloud, request: Request, owner: str, client: str) -> Reply:
    body = _body(request)
    if not isinstance(body, dict) or not isinstance(body.get("summary"), str) or not body["summary"]:
        raise Refusal(400, "required", "Missing title.", location="summary")
    zone = body.get("timeZone", "UTC")
    if not known_zone(zone):
        raise invalid("Invalid time zone value.", "timeZone")
    about = body.get("description", "")
    if not isinstance(about, str):
        raise invalid("Invalid value for: description", "description")
    calendar = cloud.make(owner, client, body["summary"], zone, about)
    return json({"kind": "calendar#calendar", "id": calendar.id, "summary": calendar.title, "timeZone": zone})


def _body(request: Request) -> Any:
    if unknown := request.query.keys() - _WRITE_QUERY:
        raise invalid(f"Unknown parameter {min(unknown)[:40]}")
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refusal(415, "unsupportedMediaType", "Content-Type must be application/json")
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise Refusal(400, "parseError", "Parse Error") from None


def _batch(cloud: Cloud, request: Request) -> Reply:
    content_type = request.headers.get("content-type", "")
    whole = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + request.body)
    parts = whole.get_payload()
    if whole.get_content_type() != "multipart/mixed" or not isinstance(parts, list) or not parts:
        raise Refusal(400, "badRequest", "Failed to parse batch request, error: 0 items.")
    if len(parts) > cloud.options.batch_limit:
        raise Refusal(400, "badRequest", "The batch request contains too many calls.")
    answers = [_part(cloud, part, request.headers) for part in parts if isinstance(part, Message)]
    boundary = f"batch_{cloud.rev:x}"
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), one) for one in answers) + f"--{boundary}--\r\n".encode()
    return Reply(200, body, f"multipart/mixed; boundary={boundary}")


def _part(cloud: Cloud, part: Message, outer: Mapping[str, str]) -> bytes:
    """Answer one part: the envelope's headers but for Content-... are its own too."""
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    head, _gap, body = content.partition(b"\r\n\r\n")
    line, *rows = head.decode("latin-1").strip().split("\r\n")
    words = line.split(" ")
    inherited = {name: value for name, value in outer.items() if not name.startswith("content-")}
    own = {name.strip().lower(): value.strip() for name, _c, value in (row.partition(":") for row in rows)}
    if part.get_content_type() != "application/http" or len(words) < 2 or not words[1].startswith("/"):
        reply = Refusal(400, "badRequest", "Bad part").reply()
    else:
        reply = _inner(cloud, Request.of(words[0], words[1], inherited | own, body.strip()))
    identity = str(part.get("Content-ID", "")).strip("<>")
    tag = f"Content-ID: <response-{identity}>\r\n" if identity else ""
    top = f"Content-Type: application/http\r\n{tag}\r\nHTTP/1.1 {reply.status} X\r\nContent-Type: {reply.type}\r\n"
    return f"{top}Content-Length: {len(reply.body)}\r\n\r\n".encode() + reply.body


def _inner(cloud: Cloud, request: Request) -> Reply:
    fault = cloud.faults.pick(f"part {request.what}")
    if fault is not None:
        return Refusal(fault.status, fault.reason, "Backend Error").reply()
    return answer(cloud, request) if request.what != "batch" else Refusal(400, "badRequest", "Nested batch").reply()
