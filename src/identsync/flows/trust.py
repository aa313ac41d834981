"""Whom a connection trusts; why one did not come about, in words: OpenSSL's own are no help."""

import socket
import ssl
from collections.abc import Iterator

from identsync.language import keyed as _

_EXPIRED, _NOT_YET = 10, 9
_OTHER_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH
_NOT_TLS = {
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "UNKNOWN_PROTOCOL",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
}


def system() -> ssl.SSLContext:
    """Return how servers are verified: by the system's own authorities, among them what a clinic has put there.

    Alike on every Python: since 3.13 an authority without a key usage is refused, as many a clinic has made its own.
    """
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def reason(error: BaseException) -> tuple[str, str] | None:
    """Return what is wrong and what to do, as far as the errors behind ``error`` tell."""
    for one in _behind(error):
        match one:
            case ssl.SSLCertVerificationError():
                return _certificate(one.verify_code)
            case ssl.SSLError() if one.reason in _NOT_TLS:
                return _("там отвечают не по https"), _("если сайт работает без шифрования, напишите в url http://")
            case ssl.SSLEOFError():
                words = _("там обрывают связь вместо ответа по https")
                return words, _("если сайт работает без шифрования, напишите в url http://")
            case ssl.SSLError():
                words = _("шифрование не согласовано: {code}", code=one.reason or "TLS")
                return words, _("сообщите тому, кто ведёт сайт; проверьте антивирус и прокси на этом компьютере")
            case socket.gaierror():
                return _("сервера с таким именем нет"), _("проверьте имя сервера в url, интернет и DNS")
            case ConnectionRefusedError():
                return _("по этому адресу никто не отвечает"), _("проверьте адрес и порт в url, интернет и брандмауэр")
    return None


def is_untrusted(error: BaseException) -> bool:
    """Say whether a certificate was refused for what another computer may have: its authority, or the right date."""
    codes = (one.verify_code for one in _behind(error) if isinstance(one, ssl.SSLCertVerificationError))
    return any(code != _EXPIRED and code not in _OTHER_NAME for code in codes)


def _certificate(code: int) -> tuple[str, str]:
    keeper = _("сообщите тому, кто ведёт сайт")
    if code == _EXPIRED:
        return _("срок сертификата сайта истёк"), _("проверьте дату и часы этого компьютера; {keeper}", keeper=keeper)
    if code == _NOT_YET:
        words = _("сертификат сайта ещё не действует")
        return words, _("проверьте дату и часы этого компьютера; {keeper}", keeper=keeper)
    if code in _OTHER_NAME:
        return _("сертификат сайта выдан на другое имя"), _("проверьте имя сервера в url; {keeper}", keeper=keeper)
    return _("сертификату сайта нельзя верить"), _(
        "если удостоверяющий центр свой, установите его сертификат в систему; {keeper}", keeper=keeper
    )


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and those that it was raised from, those of each address of a name too."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                yield from _behind(one)
        error = error.__cause__ or error.__context__
