"""Answers of the fake Google: JSON as Google writes it, errors in Google's form."""

from dataclasses import dataclass, field
from typing import Any

import orjson

JSON = "application/json; charset=UTF-8"
HTML = "text/html; charset=utf-8"


@dataclass(slots=True)
class Reply:
    """An answer: status, body, type; ``headers`` beyond those."""

    status: int
    body: bytes = b""
    type: str = JSON
    headers: list[tuple[str, str]] = field(default_factory=list)


class Refusal(Exception):
    """A request is answered with an error: ``reason`` as in Google's ``errors[].reason``."""

    def __init__(
        self, status: int, reason: str, message: str = "", *, domain: str = "global", location: str = ""
    ) -> None:
        super().__init__(message or reason)
        self.status = status
        self.reason = reason
        self.domain = domain
        self.location = location
        self.headers: list[tuple[str, str]] = []
        self.details: list[dict[str, Any]] = []

    def reply(self) -> Reply:
        """Return Google's spelling of it."""
        row = {"domain": self.domain, "reason": self.reason, "message": str(self)}
        if self.location:
            row |= {"location": self.location, "locationType": "parameter"}
        error: dict[str, Any] = {"errors": [row], "code": self.status, "message": str(self)}
        if self.details:
            error |= {"status": "RESOURCE_EXHAUSTED", "details": self.details}
        return Reply(self.status, orjson.dumps({"error": error}), headers=self.headers)


class OAuthRefusal(Exception):
    """A request to the OAuth endpoints is answered with an error code of RFC 6749 or 8628."""

    def __init__(self, status: int, code: str, description: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.description = description

    def reply(self) -> Reply:
        """Return its JSON."""
        body = {"error": self.code} | ({"error_description": self.description} if self.description else {})
        return Reply(self.status, orjson.dumps(body))


def invalid(what: str, location: str = "") -> Refusal:
    """Return a 400 about a value."""
    return Refusal(400, "invalid", what, location=location)


def json(value: Any, status: int = 200) -> Reply:
    """Return a JSON answer."""
    return Reply(status, orjson.dumps(value))


def page(text: str, status: int = 200) -> Reply:
    """Return a page for people."""
    return Reply(status, f"<!doctype html><title>Google</title><p>{text}</p>".encode(), HTML)
