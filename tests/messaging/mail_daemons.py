"""Debian's own mail programs as processes: Dovecot with an inbox, OpenSMTPD that relays and writes bounces."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient

import prepare
from messaging.mail_servers import Authority

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
needs_dovecot = pytest.mark.skipif(
    not (prepare.dovecot() and ROOT), reason="Dovecot runs only as root and installed (python tests/prepare.py dovecot)"
)
needs_opensmtpd = pytest.mark.skipif(
    not (prepare.opensmtpd() and ROOT),
    reason="OpenSMTPD runs only as root, installed (python tests/prepare.py opensmtpd)",
)
DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = {ssl}
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%n
mail_max_userip_connections = 100
first_valid_uid = 1
auth_failure_delay = 0
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/home/%n
}}
service imap-login {{
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {encrypted}
    ssl = yes
  }}
}}
"""
OPENSMTPD = """
listen on 127.0.0.1 port {port}
action "back" relay host smtp://127.0.0.1:{back}
action "out" relay host smtp://127.0.0.1:{out}
match from any for domain "example.ru" action "back"
match from any for any action "out"
"""


@dataclass(frozen=True)
class Inbox:
    """A running Dovecot: its ports; ``client`` logs in as a user beside the product."""

    plain: int
    encrypted: int
    password: str
    folder: Path

    def client(self, user: str) -> Any:
        client = IMAPClient("127.0.0.1", self.plain, ssl=False, timeout=10)
        client.login(user, self.password)
        client.select_folder("INBOX")
        return client

    def put(self, user: str, *mails: bytes) -> None:
        with self.client(user) as client:
            for mail in mails:
                client.append("INBOX", mail)

    def validity(self, user: str) -> int:
        with self.client(user) as client:
            return int(client.folder_status("INBOX", ["UIDVALIDITY"])[b"UIDVALIDITY"])

    def rebuild(self, user: str) -> None:
        """Number the mails anew, as a restored backup does."""
        maildir = self.folder / "mail" / user.partition("@")[0]
        for path in maildir.glob("dovecot.index*"):
            path.unlink()
        numbers = maildir / "dovecot-uidlist"
        head = numbers.read_text().partition("\n")[0]
        numbers.write_text(re.sub(r"V(\d+)", lambda found: f"V{int(found[1]) + 1000}", head) + "\n")

    def flags(self, user: str) -> dict[int, set[bytes]]:
        with self.client(user) as client:
            return {uid: set(flags) - {b"\\Recent"} for uid, flags in client.get_flags(client.search()).items()}


def free_ports(number: int) -> list[int]:
    """Return ports nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _each in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@asynccontextmanager
async def dovecot(ca: Authority, password: str) -> AsyncIterator[Inbox]:
    folder, (plain, encrypted) = _rooms(), free_ports(2)
    words = {"folder": folder, "ssl": "yes", "certificate": ca.certificate, "key": ca.key, "password": password}
    (folder / "conf").write_text(DOVECOT.format(**words, plain=plain, encrypted=encrypted))
    command = [str(prepare.dovecot()), "-F", "-c", str(folder / "conf")]
    try:
        async with _running(command, folder / "out", plain):
            yield Inbox(plain, encrypted, password, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _rooms() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dovecot-", dir="/tmp"))  # sockets need a short path, its user a way in
    folder.chmod(0o755)
    for name in ("mail", "home"):
        (folder / name).mkdir()
        shutil.chown(folder / name, "mail", "mail")
    return folder


@asynccontextmanager
async def opensmtpd(folder: Path, back: int, out: int) -> AsyncIterator[int]:
    """Run OpenSMTPD: mail for example.ru goes to the port ``back``, all other to ``out``."""
    (port,), settings = free_ports(1), folder / "smtpd.conf"
    settings.write_text(OPENSMTPD.format(port=port, back=back, out=out))
    async with _running([str(prepare.opensmtpd()), "-d", "-f", str(settings)], folder / "smtpd.out", port):
        yield port


@asynccontextmanager
async def _running(command: list[str], output: Path, port: int) -> AsyncIterator[None]:
    process = _start(command, output)
    try:
        await _until(lambda: _greets(port) or process.poll() is not None, f"{command[0]}: {output}")
        assert process.poll() is None, f"{command[0]}: {output}"
        yield
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 20)


def _start(command: list[str], output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)


async def _until(true: Callable[[], bool], what: str) -> None:
    for _each in range(400):
        if await asyncio.to_thread(true):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(what)


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as line:
            line.settimeout(5)
            return bool(line.recv(1))
    except OSError:
        return False
