"""What went wrong and what to do about it, in words for the person at the desk; never a traceback."""

import traceback
from dataclasses import dataclass

import structlog

from identsync import errors

log = structlog.get_logger(__name__)


def _(sentence: str) -> str:
    return sentence


@dataclass(frozen=True, slots=True)
class Trouble:
    """What failed, what is known of it, what a person does now; Russian sentences, translated where they are drawn."""

    title: str
    todo: str = ""
    text: str = ""


NOT_FOUND = Trouble(_("Такой страницы нет"), _("Откройте нужный раздел в меню сверху."))
DATABASE = Trouble(
    _("База данных не отвечает"),
    _("Подождите минуту: страница обновится сама. Если не помогло, проверьте сеть и сервер командой identsync check."),
)
UNKNOWN = Trouble(
    _("Не получилось показать страницу"),
    _("Обновите страницу. Если повторится, пришлите разработчику журнал программы: там записано, где это случилось."),
)

# What the journal's notes begin with: the error's name. Order matters: the first that fits is taken.
BY_ERROR: dict[type[BaseException], Trouble] = {
    errors.Refused: Trouble(
        _("Другая сторона не приняла наш ключ или права"),
        _("Проверьте ключ и адрес в настройках (identsync check покажет, что не так), затем нажмите «Запустить»."),
    ),
    errors.NoSecret: Trouble(
        _("На одном компьютере не читается секрет, а задача выполнялась на нём"),
        _("Запишите его на том компьютере: identsync secret set ИМЯ (для службы --machine). Потом повторим сами."),
    ),
    errors.NotHere: Trouble(
        _("Одному компьютеру чего-то не хватает, а задача выполнялась на нём"),
        _("Исправьте это на том компьютере. Задачу возьмёт другой, если сможет; потом повторим сами."),
    ),
    errors.SuspiciousChange: Trouble(
        _("Данных в клинике стало подозрительно мало, отправка остановлена"),
        _("Проверьте расписание в программе. Если так и должно быть, разрешите отправку на странице «Расписание»."),
    ),
    errors.AskPerson: Trouble(_("Нужно решение человека"), _("Исправьте причину и нажмите «Запустить».")),
    errors.Limited: Trouble(_("Другая сторона просит обращаться реже"), _("Ничего: повторим сами, когда разрешат.")),
    errors.NoDatabase: DATABASE,
    errors.Untrusted: Trouble(
        _("Один компьютер не доверяет сертификату другой стороны, а задача выполнялась на нём"),
        _("Проверьте на том компьютере дату и корневые сертификаты. Если так на всех, сообщите тому, кто ведёт сайт."),
    ),
    errors.Unavailable: Trouble(
        _("Другая сторона не отвечает"),
        _("Пока ничего: повторяем сами. Если долго, проверьте интернет и адрес командой identsync check."),
    ),
    errors.Later: Trouble(_("Сейчас не получается"), _("Ничего: повторим сами.")),
    errors.Unexpected: Trouble(
        _("Другая сторона ответила не по протоколу"),
        _("Перешлите эту запись журнала поддержке сайта: в ней то, что он ответил."),
    ),
    errors.StaleFence: Trouble(_("Задачу перехватил другой клиент"), _("Ничего: он её и выполняет.")),
    errors.ContractError: Trouble(
        _("В базе клиники нет нужных данных"), _("Команда identsync clinic check скажет, чего не хватает.")
    ),
    errors.SchemaError: Trouble(
        _("Таблицы обновлены более новой версией программы"), _("Обновите программу на этом компьютере.")
    ),
    errors.Stop: Trouble(
        _("Программа остановлена: сначала нужно исправить настройки"), _("Запустите identsync check.")
    ),
}
# What one computer lacks: the task waits for any that does not.
LACKING = tuple(trouble for kind, trouble in BY_ERROR.items() if getattr(kind, "elsewhere", False))
BY_NAME = {kind.__name__: trouble for kind, trouble in BY_ERROR.items()}


def explain(error: BaseException) -> Trouble:
    """Return the words for an error that a page or an action raised."""
    if isinstance(error, LookupError):
        return NOT_FOUND
    if type(error) is errors.AskPerson and str(error):  # a page's own words for the person who pressed a button
        return Trouble(str(error), error.hint)
    for kind, trouble in BY_ERROR.items():
        if isinstance(error, kind):
            return Trouble(trouble.title, getattr(error, "hint", "") or trouble.todo, str(error))
    if isinstance(error, errors.IdentsyncError):
        return Trouble(str(error), error.hint)
    return DATABASE if type(error).__module__.startswith("sqlalchemy") else UNKNOWN


def of_note(note: str) -> tuple[Trouble | None, str]:
    """Return the words for a journal's note ("Unavailable: …") and the rest of the note."""
    name, colon, rest = note.partition(":")
    trouble = BY_NAME.get(name.strip()) if colon or name in BY_NAME else None
    return trouble, rest.strip() if trouble else note


def note(error: Exception, page: str) -> None:
    """Log where and what kind, never the error's text: a database's errors quote the values of the statement."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename.rpartition('identsync')[2]}:{frame.lineno}" for frame in frames[-4:]]
    log.error("console.failed", page=page, error=type(error).__name__, places=places)
