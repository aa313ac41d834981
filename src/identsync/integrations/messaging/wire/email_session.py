"""One SMTP connection: opened, logged in, one mail after another; each step's failure is what it certainly means.

==================================================  ==================================================================
what happened                                       what it means
==================================================  ==================================================================
no connection, greeting, EHLO or TLS                ``Unavailable(sent=False)``
AUTH refused for good (5xx), no AUTH, no STARTTLS   ``errors.Refused``: a person must look; 4xx: ``Unavailable``
MAIL refused for good                               ``errors.Refused`` where the channel's own sender is refused; a mail
                                                    too big, or with a sender of its own: the verdict ``Refused``
RCPT, DATA or the content refused for good          the verdict ``Refused``; "log in first", "no relaying":
                                                    ``errors.Refused``
4xx at any step, also after the content             ``NotTaken``: a negative answer says "not accepted" (RFC 5321)
connection lost or time-out before the content      ``NotTaken``: without the content there is no mail
the same after its first byte, or a senseless       ``Lost``
answer to it
==================================================  ==================================================================
"""

import asyncio
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPResponse,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from aiosmtplib.protocol import SMTPProtocol

from identsync import errors
from identsync.flows.sending import Accepted, Lost, NotTaken, Refused, Verdict
from identsync.integrations.messaging.wire import mail_answer as words
from identsync.integrations.messaging.wire.mail import Mail
from identsync.integrations.messaging.wire.mail_answer import TOO_BIG, cause, enhanced, masked
from identsync.language import _

PORTS = {"on": 465, "start": 587, "off": 25}
HELLO = "[127.0.0.1]"  # a computer's name may be Cyrillic, and is nobody's business
LEAVE_S = 2.0
NO_SUCH_WAY = {500, 502, 504}  # offered all the same
NO_SERVICE_MS = 900_000  # after a greeting of 554
_DOT = re.compile(rb"^\.", re.MULTILINE)
_RIGHTS = re.compile(r"\brelay", re.IGNORECASE)
_BROKEN = (SMTPServerDisconnected, SMTPTimeoutError, SMTPResponseException, OSError)


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how to connect: ``tls`` is 'on', 'start' or 'off'; ``user`` None = no login; seconds."""

    host: str
    port: int
    tls: str
    user: str | None
    password: str
    timeout_s: float
    context: ssl.SSLContext | None

    def words(self, text: str) -> str:
        """Return a sentence with the server before it."""
        return f"SMTP {self.host}:{self.port}: {text}"


class Session:
    """An open connection; ``open`` makes one."""

    def __init__(self, smtp: SMTP, server: Server) -> None:
        self._smtp = smtp
        self._server = server

    @classmethod
    async def open(cls, server: Server) -> Self:
        """Connect, greet, log in; see the module's table for what is raised."""
        smtp = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls == "on",
            start_tls=server.tls == "start",
            local_hostname=HELLO,
            timeout=server.timeout_s,
            tls_context=server.context,
        )
        try:
            await smtp.connect()
            if smtp.is_ehlo_or_helo_needed:
                await smtp.ehlo()
            if server.user:
                await _log_in(smtp, server.user, server)
        except (SMTPException, OSError, ValueError, UnicodeError) as error:
            smtp.close()
            raise _closed(server, error) from error
        except BaseException:
            smtp.close()
            raise
        return cls(smtp, server)

    @property
    def connected(self) -> bool:
        """Whether the connection still stands, as far as is known on this side."""
        return self._smtp.is_connected

    async def ready(self) -> bool:
        """Ask the server to forget the last mail; False where it has left in the meantime."""
        try:
            answer = await self._smtp.execute_command(b"RSET")
        except _BROKEN:
            self.drop()
            return False
        if answer.code != 250:
            self.drop()
        return self.connected

    async def send(self, mail: Mail, own_sender: bool) -> Verdict:
        """Hand over one mail; ``own_sender``: it has the channel's sender. Cancelled, the connection is dropped."""
        try:
            return await self._envelope(mail, own_sender) or await self._content(mail)
        except BaseException:
            self.drop()
            raise

    async def leave(self) -> None:
        """Say goodbye, briefly, and close."""
        with suppress(*_BROKEN):
            await self._smtp.quit(timeout=LEAVE_S)
        self.drop()

    def drop(self) -> None:
        """Close without a word."""
        self._smtp.close()

    async def _envelope(self, mail: Mail, own_sender: bool) -> Verdict | None:
        """Say from whom and to whom and ask to go on; None where the content may follow."""
        most = self._smtp.esmtp_extensions.get("size", "")
        if most.isdigit() and 0 < int(most) < len(mail.raw):
            return Refused(TOO_BIG)
        try:
            for command in self._commands(mail):
                answer = await self._smtp.execute_command(*command)
                if answer.code // 100 != (3 if command == (b"DATA",) else 2):
                    return self._denied(command[0], answer, own_sender)
        except _BROKEN as error:
            self.drop()
            return NotTaken(words.BROKEN, answer=masked(_said(error)))
        return None

    def _commands(self, mail: Mail) -> list[tuple[bytes, ...]]:
        smtp, sender, to = self._smtp, mail.sender.encode("ascii"), mail.to.encode("ascii")
        size = (b"SIZE=%d" % len(mail.raw),) if smtp.supports_extension("size") else ()
        dsn = smtp.supports_extension("dsn")  # a bounce names our token then, and brings the headers only
        back = (b"RET=HDRS", b"ENVID=" + mail.token.encode("ascii")) if dsn else ()
        when = (b"NOTIFY=FAILURE",) if dsn else ()
        return [(b"MAIL", b"FROM:<%b>" % sender, *size, *back), (b"RCPT", b"TO:<%b>" % to, *when), (b"DATA",)]

    def _denied(self, step: bytes, answer: SMTPResponse, own_sender: bool) -> Verdict:
        code, said = answer.code, masked(f"{answer.code} {answer.message}")
        if not 400 <= code < 600:
            self.drop()
            return NotTaken(words.ODD, answer=said)
        if code < 500:
            return NotTaken(words.LATER, answer=said)
        reason = TOO_BIG if step == b"MAIL" and code == 552 else cause(answer.message, code if step == b"RCPT" else 0)
        if code in {530, 534, 535, 538} or _RIGHTS.search(answer.message):
            raise _no_rights(self._server, said)
        if step == b"MAIL" and reason != TOO_BIG and own_sender:
            raise _no_rights(self._server, said)
        return Refused(reason, said)

    async def _content(self, mail: Mail) -> Verdict:
        protocol = self._smtp.protocol
        if protocol is None or not protocol.is_connected:
            self.drop()
            return NotTaken(words.BROKEN)
        protocol.write(_DOT.sub(b"..", mail.raw) + b".\r\n")
        try:
            answer = await self._answer(protocol)
        except _BROKEN as error:
            self.drop()
            return Lost(words.NO_ANSWER, masked(_said(error)))
        return self._final(answer, mail)

    async def _answer(self, protocol: SMTPProtocol) -> SMTPResponse:
        """Wait for the answer to the content: the time runs while nothing more of it goes out."""
        reading = asyncio.ensure_future(protocol.read_response())
        try:
            left = self._unsent()
            while not (await asyncio.wait({reading}, timeout=self._server.timeout_s))[0]:
                before, left = left, self._unsent()
                if left >= before:
                    raise TimeoutError("no answer")
            return await reading
        finally:
            reading.cancel()

    def _unsent(self) -> int:
        size = getattr(self._smtp.transport, "get_write_buffer_size", None)  # uvloop's is no asyncio.WriteTransport
        return int(size()) if size else 0

    def _final(self, answer: SMTPResponse, mail: Mail) -> Verdict:
        code, said = answer.code, masked(f"{answer.code} {answer.message}")
        if code == 421:
            self.drop()
        if code in {250, 251}:
            return Accepted(mail.token)
        if 400 <= code < 500:
            return NotTaken(words.LATER, answer=said)
        if 500 <= code < 600:
            return Refused(TOO_BIG if code == 552 and not enhanced(said) else cause(answer.message), said)
        self.drop()
        return Lost(words.ODD_ANSWER, said)


async def _log_in(smtp: SMTP, user: str, server: Server) -> None:
    """Try the ways to log in until one answers to the point: a wrong password is given once, not once for each way."""
    ways = ("cram-md5", "plain", "login") if server.tls == "off" else ("plain", "login", "cram-md5")
    offered = [way for way in ways if way in smtp.server_auth_methods]
    for way in offered:
        try:
            await getattr(smtp, f"auth_{way.replace('-', '')}")(user, server.password)
        except SMTPAuthenticationError as error:
            if error.code not in NO_SUCH_WAY or way == offered[-1]:
                raise
        else:
            return
    raise SMTPException("no way to log in")


def _said(error: BaseException) -> str:
    return f"{error.code} {error.message}" if isinstance(error, SMTPResponseException) else type(error).__name__


def _no_rights(server: Server, said: str) -> errors.Refused:
    hint = _("Проверьте адрес отправителя, логин и пароль в настройках канала.")
    return errors.Refused(server.words(_("сервер не разрешает нам отправлять")), hint=hint, raw=said)


def _closed(server: Server, error: Exception) -> errors.IdentsyncError:
    """Return what a failed opening means; nothing was sent."""
    if isinstance(error, SMTPAuthenticationError) and error.code >= 500:
        hint = _("Проверьте логин и пароль; многим почтовым службам нужен отдельный пароль для программ.")
        said = masked(f"{error.code} {error.message}")
        return errors.Refused(server.words(_("логин или пароль не подошли")), hint=hint, raw=said)
    if isinstance(error, SMTPResponseException):
        sentence = server.words(_("сервер не начал разговор"))
        wait = NO_SERVICE_MS if error.code >= 500 else None
        return errors.Unavailable(sentence, sent=False, after_ms=wait, raw=masked(f"{error.code} {error.message}"))
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return errors.Unavailable(server.words(_("шифрование (TLS) не удалось: сертификат или порт")), sent=False)
    if isinstance(error, (OSError, TimeoutError)):
        return errors.Unavailable(server.words(_("нет связи")), sent=False)
    hint = _("Проверьте порт и tls в настройках: вход и STARTTLS этот сервер здесь не предлагает.")
    return errors.Refused(server.words(_("сервер не умеет того, что нужно настройкам")), hint=hint)
