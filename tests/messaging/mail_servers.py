"""Mail servers for tests: aiosmtpd with faults at any step, a server that answers by a script, a CA of our own."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from identsync.flows import trust

Fault = Callable[["Server"], Awaitable[str | None]]


def says(answer: str) -> Fault:
    """Answer with this line."""

    async def fault(server: "Server") -> str | None:
        return answer

    return fault


async def drops(server: "Server") -> str | None:
    """Cut the connection without a word."""
    server.transport.abort()
    return await hangs(server)


async def hangs(server: "Server") -> str | None:
    """Say nothing until the client has gone."""
    await server.gone.wait()
    return "421 gone"


@dataclass
class Post:
    """What the server did: mails it has taken, connections, who logged in; and what shall go wrong, by command."""

    mails: list[Envelope] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=dict)  # each is used once; AFTER: the mail was taken before
    connections: int = 0
    open: list["Server"] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def fail(self, step: str, *faults: Fault) -> None:
        self.faults.setdefault(step, []).extend(faults)

    def next(self, step: str) -> Fault | None:
        left = self.faults.get(step)
        return left.pop(0) if left else None

    async def close_idle(self) -> None:
        """Close every connection in order, as a server does with idle ones."""
        for server in list(self.open):
            server.transport.write(b"421 4.4.2 idle too long\r\n")
            server.transport.close()
            await server.gone.wait()


class Handler:
    def __init__(self, post: Post) -> None:
        self.post = post

    async def handle_DATA(self, server: "Server", session: Session, envelope: Envelope) -> str:  # noqa: N802
        if fault := self.post.next("CONTENT"):
            return await fault(server) or "250 OK"
        self.post.mails.append(envelope)
        self.post.arrived.set()
        fault = self.post.next("AFTER")
        return (await fault(server) if fault else None) or "250 2.0.0 queued"


class Server(SMTP):
    """aiosmtpd, with a fault before a command where the test wants one."""

    def __init__(self, post: Post, **options: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a login without STARTTLS: it knows no TLS from the first byte
            super().__init__(Handler(post), loop=asyncio.get_running_loop(), hostname="mx.test", **options)
        self.post = post
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self not in self.post.open:  # again after STARTTLS
            self.post.connections += 1
            self.post.open.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.gone.set()
        if self in self.post.open:
            self.post.open.remove(self)
        super().connection_lost(error)

    async def _call(self, name: str, arg: str) -> None:
        self.post.commands.append(name)
        if (fault := self.post.next(name)) and (answer := await fault(self)):
            await self.push(answer)
        else:
            await getattr(super(), f"smtp_{name}")(arg)


def _with_fault(name: str) -> Callable[[Server, str], Awaitable[None]]:
    async def command(self: Server, arg: str) -> None:
        await self._call(name, arg)

    return command


for each in ("EHLO", "HELO", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "STARTTLS"):
    setattr(Server, f"smtp_{each}", _with_fault(each))


def knows(password: str) -> Callable[..., AuthResult]:
    """Let in who has this password."""

    def check(server: object, session: object, envelope: object, mechanism: str, data: object) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == password.encode()
        return AuthResult(success=good, handled=False)

    return check


@asynccontextmanager
async def smtp(*, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[Post]:
    """Run aiosmtpd in this loop; ``tls`` = encrypted from the first byte."""
    post = Post()
    server = await asyncio.get_running_loop().create_server(
        lambda: Server(post, **options), "127.0.0.1", 0, ssl=tls, ssl_shutdown_timeout=0.1 if tls else None
    )
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()
        for each in list(post.open):
            if not each.transport.is_closing():  # an early Python 3.11 fails here after TLS
                each.transport.abort()
            with suppress(TimeoutError):  # aiosmtpd never hears of a TLS handshake that failed
                await asyncio.wait_for(each.gone.wait(), 0.5)
        await server.wait_closed()


@asynccontextmanager
async def scripted(greeting: bytes | None, answers: Sequence[tuple[bytes, bytes | None]]) -> AsyncIterator[int]:
    """Run a server that greets and answers each line that begins with a word once, in order; None = it closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = list(answers)
        try:
            if greeting is None:
                return
            writer.write(greeting)
            while left and (line := await reader.readline()):
                if line.startswith(left[0][0]):
                    answer = left.pop(0)[1]
                    if answer is None:
                        return
                    writer.write(answer)
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@dataclass(frozen=True)
class Authority:
    """A CA of our own: what a client trusts, and certificates for servers."""

    pem: Path
    certificate: Path
    key: Path

    @property
    def client(self) -> ssl.SSLContext:
        context = trust.system()
        context.load_verify_locations(self.pem)
        return context

    @property
    def server(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


def authority(folder: Path) -> Authority:
    """Make a CA and a certificate for 127.0.0.1 and localhost, good for an hour."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "identsync test CA")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    root_id = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    root = (
        _certificate(root_name, root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(root_id, critical=False)
        .issuer_name(root_name)
        .sign(root_key, hashes.SHA256())
    )
    leaf = _certificate(name, key).add_extension(names, critical=False).issuer_name(root_name)
    by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_id)
    signed = leaf.add_extension(by, critical=False).sign(root_key, hashes.SHA256())
    made = Authority(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    made.pem.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    made.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    made.key.chmod(0o600)
    return made


def _certificate(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
