"""What a doctor is given to see his calendar: links, codes for a camera, what to type and press. Never a password."""

import base64
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from identsync.integrations.calendar.books import Account, Link
from identsync.integrations.calendar.chosen import GONE
from identsync.integrations.calendar.feed import address_of
from identsync.integrations.calendar.settings import CalendarDestination

GOOGLE = "https://calendar.google.com/calendar"
BORDER = 4  # modules of white around a code: less, and cameras miss it


def _(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code: whom it is for, the address in it, its modules as an SVG path in a square of ``size`` units."""

    label: str
    url: str
    size: int
    path: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person types into the telephone."""

    label: str
    text: str
    secret: bool = False  # the text tells of it, and is not it


@dataclass(frozen=True, slots=True)
class Handout:
    """All a doctor needs; ``note`` is what he must know of it, ``steps`` are (device, what to do)."""

    codes: tuple[Code, ...]
    typed: tuple[Typed, ...]
    steps: tuple[tuple[str, str], ...]
    note: str


SLOW = _(
    "Google перечитывает подписки раз в 8–24 часа, iPhone примерно раз в час. Нужно сразу: подключите Google напрямую."
)
AT_ONCE = _("Изменения видны через несколько минут.")
OF_CLINIC = _(
    "Календарь лежит в учётной записи клиники. Откройте врачу доступ на чтение на сайте сервера "
    "и дайте ему ссылку оттуда: пароль клиники показал бы ему календари всех."
)
FEED = (
    (_("iPhone, iPad"), _("Наведите камеру на код «iPhone» и нажмите «Подписаться».")),
    (_("Android"), _("Камерой на код «Google», открыть в браузере в версии для компьютера, «Добавить».")),
    (_("Google"), _("calendar.google.com, «Другие календари», «Добавить по URL»: вставьте адрес подписки.")),
)
CALDAV = (
    (_("iPhone, iPad"), _("Настройки, Календарь, Учётные записи, Добавить, Другое, «Учётная запись CalDAV».")),
    (_("Android"), _("Приложение DAVx⁵: «Вход с URL и именем пользователя», адрес возьмите с кода.")),
    (_("Google"), _("На Android календарь из DAVx⁵ виден и в приложении «Google Календарь».")),
)
IPHONE_GOOGLE = _(
    "Настройки, Календарь, Учётные записи, Google. Не видно календаря: отметьте его на странице кода «iPhone»."
)
NATIVE = (
    (
        _("iPhone, iPad"),
        IPHONE_GOOGLE,
    ),
    (_("Android"), _("«Google Календарь»: меню слева вверху, отметьте календарь галочкой.")),
    (_("Google"), _("calendar.google.com: календарь стоит слева в списке. Код «Google» открывает его.")),
)


def handout_of(destination: CalendarDestination, link: Link | None, account: Account | None) -> Handout | None:
    """Return what a doctor is given; None where he has no calendar yet."""
    if link is None or not link.address or link.state in GONE:
        return None
    if destination.kind == "feed":
        return _feed(destination, link)
    return _google(link) if destination.kind == "google" else _caldav(destination, link, account)


def _feed(destination: CalendarDestination, link: Link) -> Handout:
    url = address_of(destination, link)
    webcal = "webcal://" + url.partition("://")[2]
    google = f"{GOOGLE}/r?cid={quote(webcal, safe='')}"
    typed = (Typed(_("Адрес подписки"), url),)
    return Handout((code(_("iPhone"), webcal), code(_("Google"), google)), typed, FEED, SLOW)


def _google(link: Link) -> Handout:
    cid = base64.urlsafe_b64encode(link.address.encode()).rstrip(b"=").decode()
    url = f"{GOOGLE}/r?cid={cid}"
    codes = code(_("Google"), url), code(_("iPhone"), f"{GOOGLE}/syncselect")
    return Handout(codes, (Typed(_("Ссылка на календарь"), url),), NATIVE, AT_ONCE)


def _caldav(destination: CalendarDestination, link: Link, account: Account | None) -> Handout:
    if account is None or account.sealed is None:
        return Handout((), (Typed(_("Адрес календаря"), link.address),), (), OF_CLINIC)
    server = destination.url or link.address
    password = Typed(_("Пароль"), _("пароль приложения: его знает только врач"), secret=True)
    typed = (Typed(_("Сервер"), server), Typed(_("Логин"), account.login), password)
    return Handout((code(_("Сервер"), server),), typed, CALDAV, AT_ONCE)


@functools.lru_cache(maxsize=256)
def code(label: str, url: str) -> Code:
    """Make a QR code that still reads with an eighth of it dirty (level M)."""
    import segno

    made = segno.make_qr(url, error="m", boost_error=False)
    size = int(made.symbol_size(scale=1, border=BORDER)[0])
    rows = enumerate(made.matrix_iter(scale=1, border=BORDER))
    path = "".join(f"M{x} {y}h{run}v1h-{run}z" for y, row in rows for x, run in _runs(row))
    return Code(label, url, size, path)


def _runs(row: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Give (from, how many) of each run of dark modules."""
    start, at = None, 0
    for at, dark in enumerate([*row, 0]):
        if dark and start is None:
            start = at
        elif not dark and start is not None:
            yield start, at - start
            start = None
