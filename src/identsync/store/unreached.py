"""Why a database cannot be reached, in words, and what to do: the mistakes of the first day, and somebody's lock.

Neither libpq nor ODBC has a code for most of them, so their texts are searched, which a server writes in the language
of its settings. Of the text itself nothing is told on.
"""

import re

from identsync.language import _

_SIGNS = {
    "driver": r"can't open lib|im002",
    "login": r"password authentication failed|no password supplied|\(18456\)|не прош[её]л проверку подлинности"
    r"|role \"[^\"]*\" does not exist|роль \"[^\"]*\" не существует",
    "name": r"database \"[^\"]*\" does not exist|база данных \"[^\"]*\" не существует|\(4060\)",
    "door": r"pg_hba\.conf",
    "trust": r"certificate|ssl provider|ssl error|сертификат",
    "host": r"failed to resolve|could not translate host name|name or service not known|\(1100[14]\)",
    "refused": r"refused|соединении отказано|\(10061\)|\.s\.pgsql\.\d+\" failed|[\[(]53[\])]|error locating server",
    "silence": r"timeout expired|timed out|\(10060\)|hyt00",
    "file": r"unable to open database file",
    "write": r"attempt to write a readonly database",
}


def why(
    error: BaseException, state: str = "", *, refused: bool = False, locked: bool = False
) -> tuple[str, str] | None:  # fmt: skip
    """Return what is wrong and what to do for an error of connecting, or of waiting for a lock; None for any other.

    SQLSTATE, and that the server ``refused`` (failures.is_refusal), count where the text tells nothing. That a lock was
    not free counts before the text, which then reads like a silent server's.
    """
    if locked:
        return _words("lock")
    text = str(error).casefold()
    found = (kind for kind, signs in _SIGNS.items() if re.search(signs, text))
    return _words(next(found, "name" if state == "3D000" else "login" if refused else ""))


def _words(kind: str) -> tuple[str, str] | None:
    match kind:
        case "lock":
            return _("данные в базе заняты другой программой"), _(
                "обычно это проходит само; если повторяется, ищите незавершённую транзакцию: открытое окно запросов, "
                "зависшую программу, обслуживание базы"
            )
        case "driver":
            return _("нет драйвера ODBC, который назван в url"), _drivers()
        case "login":
            return _("сервер не принял вход или пароль"), _(
                "проверьте вход в url; пароль запишите снова (identsync secret set ИМЯ) и перезапустите программу"
            )
        case "name":
            return _("на сервере нет такой базы, или она не открыта для этого входа"), _(
                "проверьте имя базы в url; новую делает администратор сервера: identsync database setup"
            )
        case "door":
            return _("сервер не пускает с этого компьютера"), _("администратор сервера: добавьте запись в pg_hba.conf")
        case "trust":
            return _("сертификату сервера нельзя верить"), _(
                "поставьте серверу настоящий сертификат, или, если сеть своя, допишите в url "
                "&TrustServerCertificate=yes (SQL Server)"
            )
        case "host":
            return _("сервера с таким именем нет в сети"), _("проверьте имя сервера в url и DNS")
        case "refused":
            return _("по этому адресу никто не отвечает"), _(
                "проверьте адрес и порт в url, запущен ли сервер, включён ли в нём TCP/IP, пускает ли брандмауэр"
            )
        case "silence":
            return _("сервер не ответил вовремя"), _("проверьте адрес в url, сеть и брандмауэр")
        case "file":
            return _("файл базы не открывается"), _("проверьте путь в url и права на папку")
        case "write":
            return _("в файл базы нельзя писать"), _("проверьте права на этот файл и его папку")
    return None


def _drivers() -> str:
    import pyodbc

    there = ", ".join(pyodbc.drivers()) or "-"
    return _("установите ODBC Driver 18 for SQL Server; сейчас есть: {there}", there=there)
