"""Calendar servers that Debian packages, as processes of their own: Cyrus (what Fastmail runs) and DAViCal.

Each is started on loopback from a generated configuration where it is installed and this is root, and skipped by name
elsewhere. ``server`` is one of them only where IDENTSYNC_TEST_CALENDARS names it: ``poe calendar-servers`` does.
"""

import imaplib
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from servers import PASSWORD, USER, Server, free_port, room, running
from sqlalchemy import URL, make_url

import prepare

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
CYRUS = """
configdirectory: {folder}/conf
proc_path: {folder}/proc
mboxname_lockpath: {folder}/lock
defaultpartition: default
partition-default: {folder}/spool
servername: 127.0.0.1
unixhierarchysep: yes
virtdomains: userid
defaultdomain: localhost
autocreate_quota: 0
httpmodules: caldav
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/sasldb2
sasl_mech_list: PLAIN
allowplaintext: yes
"""
CYRUS_MASTER = """
START {{
  recover cmd="/usr/sbin/cyrus ctl_cyrusdb -C {folder}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="imapd -C {folder}/imapd.conf" listen="127.0.0.1:{imap}" prefork=0 maxchild=4
  http cmd="httpd -C {folder}/imapd.conf" listen="127.0.0.1:{http}" prefork=1 maxchild=30
}}
EVENTS {{
  checkpoint cmd="/usr/sbin/cyrus ctl_cyrusdb -C {folder}/imapd.conf -c" period=300
}}
"""


def needs(thing: str) -> None:
    """Skip where a server is not installed, or may not be started."""
    if not (prepare.THINGS[thing][0]() and ROOT):
        pytest.skip(f"{thing} runs only as root and installed (python tests/prepare.py {thing})")


@pytest.fixture(scope="session")
def cyrus() -> Iterator[Server]:
    """Cyrus for the session."""
    needs("cyrus")
    with room() as folder:
        imap, http = free_port(), free_port()
        command = _cyrus_in(folder, imap, http)
        with running(command, http, folder):
            _log_in(imap)
            yield Server("cyrus", f"http://127.0.0.1:{http}/")


def _cyrus_in(folder: Path, imap: int, http: int) -> list[str]:
    """Write what Cyrus wants to find, and return the command that starts it."""
    (folder / "imapd.conf").write_text(CYRUS.format(folder=folder))
    (folder / "cyrus.conf").write_text(CYRUS_MASTER.format(folder=folder, imap=imap, http=http))
    for name in ("conf", "proc", "lock", "spool"):
        (folder / name).mkdir()
    name, _, domain = USER.partition("@")
    account = ["saslpasswd2", "-p", "-c", "-f", str(folder / "sasldb2"), "-u", domain, name]
    subprocess.run(account, input=PASSWORD.encode(), check=True, capture_output=True)
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, "cyrus", "mail")
    settings = ["-C", str(folder / "imapd.conf"), "-M", str(folder / "cyrus.conf")]
    return [str(prepare.cyrus()), *settings, "-p", str(folder / "pid"), "-D"]


def _log_in(port: int) -> None:
    """Make the account's mailbox, as the first login does: without one there is no home for calendars."""
    with imaplib.IMAP4("127.0.0.1", port, 30) as client:
        client.authenticate("PLAIN", lambda _challenge: f"\0{USER}\0{PASSWORD}".encode())


# -- DAViCal -----------------------------------------------------------------------------------------------------

DAVICAL, AWL = Path("/usr/share/davical"), Path("/usr/share/awl")
SCHEMA = (
    *(AWL / "dba" / name for name in ("awl-tables.sql", "schema-management.sql")),
    *(DAVICAL / "dba" / name for name in ("davical.sql", "supported_locales.sql", "views/dav_principal.sql")),
    *(DAVICAL / "dba" / name for name in ("caldav_functions.sql", "rrule_functions.sql", "base-data.sql")),
)
ACCOUNT = """
INSERT INTO usr (user_no, active, email_ok, updated, username, password, fullname, email)
VALUES (2000, TRUE, current_date, current_date, %(user)s, '**' || %(word)s, 'Doctor', %(user)s)
"""
PRINCIPAL = """
INSERT INTO principal (principal_id, type_id, user_no, displayname, default_privileges)
VALUES (2000, 1, 2000, 'Doctor', 0::BIT(24))
"""


@pytest.fixture(scope="session")
def davical(request: pytest.FixtureRequest) -> Iterator[Server]:
    """DAViCal for the session, on PHP's own server; its database lies beside the tests' own, /etc/davical names it."""
    needs("davical")
    postgres = request.getfixturevalue("postgres")
    with _role(postgres, "davical") as url, room() as folder:
        _fill(url, (path.read_text("utf-8") for path in SCHEMA), ACCOUNT, PRINCIPAL)
        port = free_port()
        paths = f"include_path={DAVICAL}/inc:{AWL}/inc"
        command = [str(prepare.php()), "-d", paths, "-S", f"127.0.0.1:{port}", "-t", str(DAVICAL / "htdocs")]
        there = {"PGHOST": str(url.query["host"]), "PGPASSWORD": "davical"}
        with running(command, port, folder, **there, PHP_CLI_SERVER_WORKERS="4"):
            yield Server("davical", f"http://127.0.0.1:{port}/")


# -- its database ----------------------------------------------------------------------------------------------


@contextmanager
def _role(postgres: Any, name: str) -> Iterator[URL]:
    """Make a role and a database of its own, both of this name, for a program that may do anything there."""
    import psycopg

    there, own = (make_url(postgres.url(each)).set(drivername="postgresql") for each in ("postgres", name))
    with psycopg.connect(there.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name}_app SUPERUSER LOGIN PASSWORD '{name}'")
        admin.execute(f"CREATE DATABASE {name}")
        yield own
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        admin.execute(f"DROP ROLE {name}_app")


def _fill(url: URL, texts: Iterable[str], *accounts: str) -> None:
    """Run what makes a program's tables, and then what makes the account."""
    import psycopg

    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        for text in texts:
            connection.execute(text)
        for account in accounts:
            connection.execute(account, {"user": USER, "word": PASSWORD})
