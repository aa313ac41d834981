"""Why a database cannot be reached, in words, and what to do: the mistakes of the first day, and somebody's lock.

Neither libpq nor ODBC has a code for most of them, so their texts are searched, which a server writes in the language
of its settings. Of the text itself nothing is told on.
"""

import re

from identsync.language import _

_SIGNS = {
    "closed": r"\((?:18470|18486|18487|18488)\)",
    "driver": r"can't open lib|im002",
    "login": r"password authentication failed|no password supplied|\(18456\)|не прош[её]л проверку подлинности"
    r"|role \"[^\"]*\" does not exist|роль \"[^\"]*\" не существует",
    "name": r"database \"[^\"]*\" does not exist|база данных \"[^\"]*\" не существует|\(4060\)"
    r"|connect privilege|привилегии connect",
    "door": r"pg_hba\.conf",
    "trust": r"certificate|ssl provider|ssl error|сертификат",
    "host": r"failed to resolve|could not translate host name|name or service not known|\(1100[14]\)",
    "refused": r"refused|соединении отказано|\(10061\)|\.s\.pgsql\.\d+\" failed|[\[(]53[\])]|error locating server",
    "silence": r"timeout expired|timed out|\(10060\)|hyt00",
    "file": r"unable to open database file",
    "write": r"attempt to write a readonly database",
    "full": r"\((?:1105|9002)\)",
    "rights": r"\((?:229|230)\)",
    "read-only": r"\(3906\)",
}

_STATES = {
    "3D000": "name", "42501": "rights", "25006": "read-only",
    **dict.fromkeys(("53100", "SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"), "full"),
}  # fmt: skip


def why(
    error: BaseException, state: str = "", *, refused: bool = False, locked: bool = False
) -> tuple[str, str] | None:  # fmt: skip
    """Return what is wrong and what to do for an error of connecting, or of waiting for a lock; None for any other.

    SQLSTATE or SQLite's name of the error, and that the server ``refused`` (failures.is_refusal), count where the text
    tells nothing. That a lock was not free counts before the text, which then reads like a silent server's.
    """
    if locked:
        return _words("lock")
    text = str(error).casefold()
    found = (kind for kind, signs in _SIGNS.items() if re.search(signs, text))
    return _words(next(found, _STATES.get(state, "login" if refused else "")))


def _words(kind: str) -> tuple[str, str] | None:
    return _on_the_way(kind) or _at_work(kind)


def _on_the_way(kind: str) -> tuple[str, str] | None:
    """What keeps a program from getting there."""
    match kind:
        case "driver":
            return _("нет драйвера ODBC, который назван в url"), _drivers()
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
    return None


def _at_work(kind: str) -> tuple[str, str] | None:
    """What a server, or a file, does not let a program do that has got there."""
    match kind:
        case "login":
            return _("сервер не принял вход или пароль"), _(
                "проверьте вход в url; пароль запишите снова: identsync secret set ИМЯ (для службы с --machine)"
            )
        case "closed":
            return _("вход на сервере заблокирован, выключен, или его пароль просрочен"), _(
                "администратор сервера: откройте вход (ALTER LOGIN ... ENABLE, UNLOCK) и не ограничивайте срок пароля; "
                "заблокировали его чаще всего программы со старым паролем: запишите им новый и перезапустите их"
            )
        case "name":
            return _("на сервере нет такой базы, или она не открыта для этого входа"), _(
                "проверьте имя базы в url; новую делает администратор сервера: identsync database setup"
            )
        case "rights":
            return _("этому входу не хватает прав"), _(
                "администратор сервера: дайте ему права, которые печатает identsync database setup; "
                "дальше всё пойдёт само"
            )
        case "lock":
            return _("данные в базе заняты другой программой"), _(
                "обычно это проходит само; если повторяется, ищите незавершённую транзакцию: открытое окно запросов, "
                "зависшую программу, обслуживание базы"
            )
        case "read-only":
            return _("база открыта только для чтения: это копия, или её так настроили"), _(
                "укажите в url главный сервер; если серверы только что поменялись местами, дальше всё пойдёт само"
            )
        case "write":
            return _("в файл базы нельзя писать"), _("проверьте права на этот файл и его папку")
        case "full":
            return _("на диске базы или в её журнале нет места"), _("освободите место: дальше всё пойдёт само")
    return None


def _drivers() -> str:
    import pyodbc

    there = ", ".join(pyodbc.drivers()) or "-"
    return _("установите ODBC Driver 18 for SQL Server; сейчас есть: {there}", there=there)
