"""E-mail: mails go out by SMTP over a few connections that are used again, bounces and answers come from the mailbox.

Nothing connects before the first mail: who only reads bounces needs no SMTP. A connection is asked (RSET) whether it
still stands before each further mail; where the server has closed it in between, a new one is opened, and nothing is in
doubt.
Nothing can be asked about a mail once it has gone: ``status`` and ``find`` know nothing, a bounce comes by ``listen``.
"""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from identsync.errors import IdentsyncError, Problem
from identsync.flows import trust
from identsync.flows.sending import Accepted, Receipt, Refused, Verdict
from identsync.integrations.messaging.message import Absent, Balance, Keep, Message, Missing, Permit, Replies, Sent
from identsync.integrations.messaging.wire import mailbox
from identsync.integrations.messaging.wire.email_session import PORTS, Server, Session
from identsync.integrations.messaging.wire.mail import Letterhead, Unfit, compose, message_id
from identsync.values import secret

if TYPE_CHECKING:
    from identsync.integrations.messaging.settings import Channel


def open(
    settings: object, permit: Permit, keep: Keep, replies: Replies, *, context: ssl.SSLContext | None = None
) -> "Post":
    """Return the gateway of an e-mail channel; ``context`` None = certificates by the system's store."""
    return Post(cast("Channel", settings), permit, keep, replies, context)


async def probe(settings: object, *, context: ssl.SSLContext | None = None) -> Problem | None:
    """Log in and out of the SMTP server, and of the mailbox where there is one; return what is wrong."""
    channel = cast("Channel", settings)
    try:
        await (await Session.open(await _server(channel, context))).leave()
        if place := await _place(channel, context):
            await mailbox.probe(place)
    except IdentsyncError as error:
        said = f" ({error.raw})" if error.raw else ""
        return Problem(channel.sender, f"{error}{said}", error.hint)
    return None


class Post:
    """A gateway of e-mail (``message.Gateway``)."""

    def __init__(
        self, settings: "Channel", permit: Permit, keep: Keep, replies: Replies, context: ssl.SSLContext | None
    ) -> None:
        self.window = settings.at_once
        self._settings, self._context = settings, context
        self._permit, self._keep, self._replies = permit, keep, replies
        self._head = Letterhead(
            settings.sender, settings.sender_name, settings.reply_to or "", settings.unsubscribe or ""
        )
        self._places = asyncio.Semaphore(self.window)
        self._idle: list[Session] = []  # the last one used is used next: it is the likeliest to stand
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await _server(self._settings, self._context)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        idle, self._idle = self._idle, []
        try:
            await asyncio.gather(*(session.leave() for session in idle))
        finally:
            for session in idle:
                session.drop()

    async def submit(self, message: Message) -> Verdict:
        """Send one mail once: see ``email_session`` for what each failure is."""
        try:
            mail = compose(message, self._head, datetime.now(UTC))
        except Unfit as unfit:
            return Refused(str(unfit))
        async with self._places:
            await self._permit()
            session = await self._session()
            verdict = await session.send(mail, own_sender=message.sender in {"", self._settings.sender})
            if session.connected:
                self._idle.append(session)
        return Accepted(message_id(mail.token, self._head.sender)) if isinstance(verdict, Accepted) else verdict

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:  # noqa: ARG002
        """Know nothing: SMTP cannot be asked."""
        return ()

    async def find(self, lost: Sequence[Missing]) -> Sequence[Receipt | Absent]:  # noqa: ARG002
        """Know nothing: an empty mailbox proves nothing."""
        return ()

    async def listen(self, quiet_ms: int) -> None:  # noqa: ARG002
        """Look through the mailbox once: bounces go to ``keep``, answers to ``replies``."""
        if place := await _place(self._settings, self._context):
            await mailbox.read(place, self._keep, self._replies)

    async def balance(self) -> Balance | None:
        """Know nothing: mail has no price."""
        return None

    async def _session(self) -> Session:
        while self._idle:
            session = self._idle.pop()
            if session.connected and await session.ready():
                return session
        if self._server is None:
            self._server = await _server(self._settings, self._context)
        return await Session.open(self._server)


async def _server(settings: "Channel", context: ssl.SSLContext | None) -> Server:
    tls = settings.tls or "on"
    return Server(
        host=settings.host or "",
        port=settings.port or PORTS[tls],
        tls=tls,
        user=settings.user,
        password=secret(settings.password) if settings.password and settings.user else "",
        timeout_s=settings.timeout / 1000,
        context=await _certificates(context) if tls != "off" else None,
    )


async def _place(settings: "Channel", context: ssl.SSLContext | None) -> "mailbox.Place | None":
    if settings.bounce_host is None or settings.user is None:
        return None
    crypt = mailbox.crypt(settings.tls or "on", settings.bounce_port)
    return mailbox.Place(
        host=settings.bounce_host,
        port=settings.bounce_port,
        tls=crypt,
        user=settings.user,
        password=secret(settings.password) if settings.password else "",
        timeout_s=settings.timeout / 1000,
        context=await _certificates(context) if crypt != "off" else None,
        sender=settings.sender,
    )


async def _certificates(context: ssl.SSLContext | None) -> ssl.SSLContext:
    """Return how certificates are checked: by the system's store (SSL_CERT_FILE names another)."""
    return context if context is not None else await asyncio.to_thread(trust.system)
