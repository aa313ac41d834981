"""Fixtures of the calendar's tests: see servers.py."""

from servers import http, outside, radicale, server, spiteful, strict, stub, xandikos  # noqa: F401
