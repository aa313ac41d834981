"""From a line's settings to a session that is logged in, and what is wrong where that does not come about."""

import ssl

from identsync import errors
from identsync.errors import IdentsyncError, Unavailable, Unexpected
from identsync.flows import trust
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire.ami import Malformed, Message
from identsync.integrations.telephony.wire.ami_session import Heard, NoAnswer, NotSent, Peer, Session, connect, is_good
from identsync.language import _
from identsync.values import secret

PORT, TLS_PORT = 5038, 5039
CONNECT_S = 15.0
RIGHTS = "manager.conf: read = system,call; write = originate,call,reporting"
OLD = "1."  # Asterisk 11 and before: other events, other fields


async def logged_in(line: Line, heard: Heard, events: str) -> Session:
    """Connect and log in; Unavailable(sent=False), Refused, Unexpected."""
    peer = _peer(line)
    try:
        session = await connect(peer, heard)
    except Malformed:
        raise strange() from None
    except ssl.SSLCertVerificationError:
        raise Unavailable(_("TLS: этот компьютер не доверяет сертификату АТС"), sent=False) from None
    except (OSError, UnicodeError, NoAnswer) as error:  # the last: closed before a word, as while it starts
        words = _("АТС не отвечает ({cause})", cause=type(error).__name__)
        raise Unavailable(words, sent=False) from None
    try:
        await _login(session, peer, events)
    except BaseException:
        session.close()
        raise
    return session


def ended(session: Session) -> IdentsyncError:
    """Return what a connection ended with."""
    if session.is_strange:
        return strange()
    return Unavailable(_("АТС замолчала") if session.is_silent else _("связь с АТС прервалась"))


def strange() -> IdentsyncError:
    """Return the error of a port where something else answers."""
    return Unexpected(_("это не AMI: на этом порту отвечает что-то другое"))


def forbidden(action: str, answer: Message) -> IdentsyncError:
    """Return the error of an account that lacks a right."""
    words = _("учётной записи AMI не разрешено {action}", action=action)
    return errors.Refused(words, hint=RIGHTS, raw=answer.get(b"Message"))


def _peer(line: Line) -> Peer:
    context = trust.system() if line.tls else None
    port = line.port or (TLS_PORT if line.tls else PORT)
    password = secret(line.password or "")
    return Peer(line.host or "", port, line.user or "", password, min(line.timeout / 1000, CONNECT_S), context)


async def _login(session: Session, peer: Peer, events: str) -> None:
    if (await session.greeted).startswith(OLD):
        raise Unexpected(_("слишком старый Asterisk: нужен 12 или новее"))
    try:
        answer = await session.login(peer.user, peer.password, events)
    except (NotSent, NoAnswer):
        raise ended(session) from None
    except ValueError:
        raise errors.Refused(_("логин или пароль АТС с недопустимыми знаками")) from None
    if not is_good(answer):
        hint = _("проверьте user, password и permit этого клиента в manager.conf")
        raise errors.Refused(_("АТС не узнала логин или пароль"), hint=hint, raw=answer.get(b"Message"))
