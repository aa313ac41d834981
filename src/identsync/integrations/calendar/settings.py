"""``[calendar.<destination>]``: a server where each doctor has a calendar, or a place where feeds are published."""

from collections.abc import Iterable
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from identsync.language import _
from identsync.spans import DAY_MS, HOUR_MS
from identsync.values import Address, Duration, Secret

Id = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Login = Annotated[str, Meta(min_length=1, max_length=320)]
Shown = Literal["initials", "first_name", "service", "room", "comment"]
PACE = {"caldav": 5.0, "google": 8.0, "feed": 1.0}
"""Requests a second where the settings say nothing; Google allows a user ten (facts: calendar.md A8)."""


def is_whole(path: str) -> bool:
    """Say whether a path says where it is, on this system or another one."""
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()


class CalendarDestination(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One destination; empty lists of branches and doctors mean all of them."""

    kind: Annotated[
        Literal["caldav", "google", "feed"],
        Meta(
            description=(
                "caldav: сервер календарей (Яндекс, Nextcloud, iCloud, Radicale); google: Google Календарь; "
                "feed: файлы подписки .ics, которые выкладываются по адресу url или в папку folder"
            ),
            examples=["caldav"],
        ),
    ]
    url: Annotated[
        Address | None,
        Meta(
            examples=["https://caldav.yandex.ru"],
            description="Адрес сервера календарей; для feed: куда класть файлы (WebDAV); для google не нужен",
        ),
    ] = None
    folder: Annotated[
        str | None, Meta(examples=["D:/ical"], description="Для feed вместо url: папка, которую отдаёт веб-сервер")
    ] = None
    public_url: Annotated[
        Address | None,
        Meta(examples=["https://clinic.example/ical"], description="Для feed: адрес, по которому эту папку видят все"),
    ] = None
    user: Annotated[
        Login | None,
        Meta(
            examples=["clinic@yandex.ru"],
            description="Учётная запись клиники: в ней у каждого врача свой календарь; не указана = у врачей свои",
        ),
    ] = None
    password: Annotated[
        Secret | None,
        Meta(examples=["secret:calendar"], description="Её пароль приложения: только ссылка на него"),
    ] = None
    client_id: Annotated[Login | None, Meta(examples=["1234.apps.googleusercontent.com"], description="Для google")] = (
        None
    )
    client_secret: Annotated[
        Secret | None, Meta(examples=["secret:google-client"], description="Для google: только ссылка на него")
    ] = None
    seal: Annotated[
        Secret | None,
        Meta(
            examples=["secret:calendar-seal"],
            description=(
                "Если врачи подключают свои учётные записи: ключ, которым их пароли запечатаны в базе; "
                "одна и та же длинная строка на всех компьютерах"
            ),
        ),
    ] = None
    title: Annotated[str, Meta(max_length=100, description="Как называть на странице; пусто = имя таблицы")] = ""
    branches: Annotated[list[Id], Meta(description="Врачи каких филиалов; пусто = всех")] = field(default_factory=list)
    doctors: Annotated[list[Id], Meta(description="Какие врачи; пусто = все")] = field(default_factory=list)
    back_days: Annotated[int, Meta(ge=0, le=366, description="На сколько дней назад хранить события")] = 7
    days: Annotated[int, Meta(ge=1, le=366, description="На сколько дней вперёд, считая сегодня")] = 60
    what: Annotated[
        Literal["appointments", "busy"],
        Meta(description="Событие на каждый приём (appointments) или на каждый занятый промежуток (busy)"),
    ] = "appointments"
    reserves: Annotated[bool, Meta(description="Показывать и резервы времени")] = True
    shifts: Annotated[bool, Meta(description="Показывать и смены (как свободное время)")] = False
    show: Annotated[
        list[Shown],
        Meta(
            description=(
                "Что написать о приёме кроме слова «Занято»: initials, first_name, service, room, comment. "
                "Пусто = ничего: за границу и на чужой сервер персональные данные не уходят"
            )
        ),
    ] = field(default_factory=list)
    busy_text: Annotated[str, Meta(min_length=1, max_length=60, description="Слово для приёма")] = "Занято"
    interval: Annotated[Duration, Meta(ge=1_000, le=DAY_MS, description="Как часто сверять с расписанием")] = 300_000
    repair: Annotated[
        Duration,
        Meta(ge=60_000, le=30 * DAY_MS, description="Как часто искать и исправлять то, что изменили руками"),
    ] = HOUR_MS
    rate: Annotated[
        float, Meta(ge=0, le=1_000, description="Запросов в секунду, не больше; 0 = сколько обычно терпит такой сервер")
    ] = 0.0
    day_quota: Annotated[
        int, Meta(ge=0, le=100_000_000, description="Запросов в сутки на всех, не больше; 0 = предела нет")
    ] = 0
    parallel: Annotated[int, Meta(ge=1, le=32, description="Сколько календарей обновлять одновременно")] = 4
    shrink: Annotated[
        int, Meta(ge=1, le=100, description="Спросить человека, если событий убыло больше, чем на столько процентов")
    ] = 30
    doctor_shrink: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description=(
                "То же об одном враче: если предстоящего у него убыло больше, чем на столько процентов (и больше "
                "десяти событий), без человека они не удаляются; остальных это не касается"
            ),
        ),
    ] = 80
    timeout: Annotated[Duration, Meta(ge=1_000, le=600_000, description="Сколько ждать полного ответа")] = 45_000
    lease: Annotated[
        Duration, Meta(ge=1_000, le=600_000, description="Через сколько другая программа подхватывает эту работу")
    ] = 30_000

    @property
    def pace(self) -> float:
        """Requests a second."""
        return self.rate or PACE[self.kind]

    @property
    def of_clinic(self) -> bool:
        """Whether every doctor has a calendar by himself, without connecting an account of his own."""
        return self.kind == "feed" or (self.kind == "caldav" and self.user is not None)

    def mistakes(self) -> Iterable[tuple[str, str, str]]:
        """Yield (key, what, hint): rules across keys."""
        yield from {"caldav": self._caldav, "google": self._google, "feed": self._feed}[self.kind]()
        if len(set(self.show)) < len(self.show):
            yield "show", _("одно и то же названо дважды"), ""
        if self.show and self.what == "busy":
            yield "show", _("у занятого промежутка нет ни пациента, ни услуги"), _('уберите show или what = "busy"')

    def _caldav(self) -> Iterable[tuple[str, str, str]]:
        if self.url is None:
            yield "url", _("нужен адрес сервера календарей"), "https://caldav.yandex.ru"
        if (self.user is None) != (self.password is None):
            yield "password", _("логин и пароль нужны оба или ни один"), _("пароль приложения, только ссылкой")
        if self.user is None and self.seal is None:
            yield "seal", _("нужна учётная запись клиники (user, password) или ключ для паролей врачей (seal)"), ""

    def _google(self) -> Iterable[tuple[str, str, str]]:
        for key in ("client_id", "client_secret", "seal"):
            if getattr(self, key) is None:
                yield key, _("для google обязателен"), _("как получить: README, раздел «Календари»")

    def _feed(self) -> Iterable[tuple[str, str, str]]:
        if (self.url is None) == (self.folder is None):
            yield "folder", _("нужно одно из двух: папка (folder) или адрес (url)"), ""
        if self.folder is not None and not is_whole(self.folder):
            yield "folder", _("нужен полный путь"), "D:/ical"
        if self.url is not None and (self.user is None or self.password is None):
            yield "user", _("чтобы писать по адресу url, нужны user и password"), _("пароль только ссылкой")
        if self.public_url is None:
            yield "public_url", _("без него врачу нечего дать: это адрес подписки"), "https://clinic.example/ical"
