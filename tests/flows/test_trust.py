"""Why a site cannot be reached: what OpenSSL and the resolver say, in words and with something to do."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from identsync.errors import Unavailable, Untrusted
from identsync.flows import http
from identsync.flows.http import Http

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def certificate(folder: Path, since: datetime, until: datetime, name: str) -> Path:
    """A certificate that is its own authority, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site")])
    other = x509.DNSName(name) if name.isalpha() else x509.IPAddress(ip_address(name))
    made = (
        x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(since).not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([other]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / "site.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return file


@asynccontextmanager
async def site(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """A server that answers every connection like a plain web server; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def refused(url: str) -> Unavailable:
    async with Http() as client:
        with pytest.raises(Unavailable) as caught:
            await client.get_json(url, attempts=1)
    assert not caught.value.sent
    assert caught.value.hint
    assert "SSL" not in str(caught.value)
    assert "Error" not in str(caught.value)
    return caught.value


async def test_https_asked_of_a_plain_site() -> None:
    async with site(None) as port:
        error = await refused(f"https://127.0.0.1:{port}/x")
    assert "там отвечают не по https" in str(error)
    assert "http://" in error.hint


@pytest.mark.parametrize(
    ("since", "until", "name", "trusted", "words", "here"),
    [
        (-DAY, DAY, "127.0.0.1", False, "нельзя верить", True),
        (-2 * DAY, -DAY, "127.0.0.1", True, "истёк", False),
        (DAY, 2 * DAY, "127.0.0.1", True, "ещё не действует", True),
        (-DAY, DAY, "other", True, "на другое имя", False),
    ],
)
async def test_a_certificate_that_is_no_good(
    since: timedelta, until: timedelta, name: str, trusted: bool, words: str, here: bool, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    file = certificate(tmp_path, NOW + since, NOW + until, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    mine = ssl.create_default_context(cafile=str(file) if trusted else None)
    monkeypatch.setattr(http, "_system_tls", lambda: mine)
    async with site(context) as port:
        error = await refused(f"https://127.0.0.1:{port}/x")
    assert words in str(error)
    assert isinstance(error, Untrusted) is here  # another computer may trust it


async def test_nobody_there_and_no_such_name() -> None:
    assert "никто не отвечает" in str(await refused("http://127.0.0.1:1/x"))
    assert "с таким именем нет" in str(await refused("http://no-such-host.invalid/x"))
