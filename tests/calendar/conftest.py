"""Fixtures of the calendar's tests: see servers.py, debian_servers.py, and accounts.py for Google."""

from accounts import account, doctor, process, running  # noqa: F401
from calendar_network import one_branch  # noqa: F401
from cli_clinic import clinic, own  # noqa: F401
from debian_servers import cyrus, davical  # noqa: F401
from servers import http, outside, radicale, server, spiteful, strict, stub, xandikos  # noqa: F401
