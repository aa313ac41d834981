"""The tables of the settings that are not a room's, and the whole."""

import sys
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from identsync.errors import Problem, SettingsError
from identsync.language import _
from identsync.values import DatabaseUrl, Duration, Secret, secret

LOOPBACK = ("127.0.0.1", "::1", "localhost")
MOST_OF_PATH = 240  # of 260, with room for SQLite's -journal and -wal
Mistakes = Iterator[tuple[str, str, str]]


def is_tiles(url: str) -> bool:
    """Tell whether a text is the address of map tiles: http(s) with {z}, {x} and {y}, nothing that ends a policy."""
    parts = urllib.parse.urlsplit(url)
    named = all(name in parts.path for name in ("{z}", "{x}", "{y}"))
    return parts.scheme in ("http", "https") and bool(parts.hostname) and named and not set(url) & set(" ;,'\"")


class ClientSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """This client: which branch it stands in and how it behaves there."""

    branch: Annotated[
        int, Meta(ge=1, le=2**31 - 1, examples=[1], description="Номер филиала, в котором стоит этот компьютер")
    ]
    role: Annotated[
        Literal["administrator", "director", "doctor"],
        Meta(description="Роль программы, если она не названа при запуске: administrator, director, doctor"),
    ] = "administrator"
    loop: Annotated[
        Literal["fast", "standard"],
        Meta(description="Цикл событий: fast (uvloop, в Windows winloop) или standard (из самого Python)"),
    ] = "fast"
    lease: Annotated[
        Duration | None,
        Meta(
            examples=["30s"],
            description="Через сколько другая программа подхватывает работу замолчавшей; обычно движок выбирает сам",
        ),
    ] = None
    log: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Насколько подробен журнал программы: debug, info, warning, error"),
    ] = "info"


class DatabaseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the engine keeps its own tables."""

    url: Annotated[
        DatabaseUrl,
        Meta(
            examples=["sqlite:///identsync.db"],
            description="База движка: sqlite:///файл, mssql+pyodbc://пользователь@сервер/база?driver=... "
            "или postgresql+psycopg://пользователь@сервер/база. Путь к файлу считается от папки этих настроек",
        ),
    ]
    password: Annotated[Secret | None, Meta(description="Пароль базы: только ссылка на него")] = None
    schema: Annotated[str, Meta(min_length=1, max_length=63, description="Схема таблиц движка (в SQLite не нужна)")] = (
        "identsync"
    )


class ClinicSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the clinic's data is read from."""

    url: Annotated[
        DatabaseUrl | None,
        Meta(
            examples=["mssql+pyodbc://ident_reader@SERVER/IDENT?driver=ODBC+Driver+18+for+SQL+Server"],
            description="База клиники; если не указана, представления ищутся в базе движка",
        ),
    ] = None
    password: Annotated[Secret | None, Meta(description="Пароль базы клиники: только ссылка на него")] = None
    schema: Annotated[
        str | None, Meta(examples=["dbo"], description="Схема с представлениями clinic_branch, clinic_staff, ...")
    ] = None


class ConsoleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page for people."""

    enabled: Annotated[bool, Meta(description="Открывать ли страницу на этом компьютере")] = True
    host: Annotated[
        str, Meta(min_length=1, description="Где открывать страницу: 127.0.0.1 = только с этого компьютера")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="Порт страницы; 0 = любой свободный")] = 8765
    language: Annotated[Literal["ru", "en"], Meta(description="Язык страницы: ru или en")] = "ru"
    user: Annotated[str, Meta(min_length=1, description="Имя для входа, если страница открыта не только здесь")] = (
        "clinic"
    )
    password: Annotated[Secret | None, Meta(description="Пароль страницы: только ссылка на него")] = None
    map_file: Annotated[
        str, Meta(examples=["town.geojson"], description="Карта: файл GeoJSON города для фона; пусто = без него")
    ] = ""
    map_tiles: Annotated[
        str,
        Meta(
            max_length=400, examples=["https://tiles.example.ru/{z}/{x}/{y}.png"],
            description="Карта: откуда брать картинки фона; пусто = ниоткуда, браузер не ходит в интернет",
        ),
    ] = ""  # fmt: skip
    map_points: Annotated[
        list[Literal["administrator", "director", "doctor"]],
        Meta(description="Карта: на компьютерах каких ролей видны отдельные дома, а не только шестиугольники"),
    ] = field(default_factory=lambda: ["director"])

    def mistakes(self) -> Mistakes:
        """Yield (key, what, hint): a page open to the network needs a password."""
        if self.host not in LOOPBACK and self.password is None:
            yield "password", _("страница открыта для сети без пароля"), _("задайте пароль или host = 127.0.0.1")
        if self.map_tiles and not is_tiles(self.map_tiles):
            yield "map_tiles", _("нужен адрес картинок с {z}, {x} и {y}"), "https://tiles.example.ru/{z}/{x}/{y}.png"


class Settings(Struct, frozen=True, kw_only=True):
    """The whole file: four tables, the rooms' destinations by room and name, and where the file lies."""

    client: ClientSettings
    database: DatabaseSettings
    clinic: ClinicSettings = ClinicSettings()
    console: ConsoleSettings = ConsoleSettings()
    rooms: Mapping[str, Mapping[str, Any]] = {}
    folder: Path = Path()

    def database_url(self) -> str:
        """Return the engine's URL with its password in it (AskPerson where that is missing): never show it."""
        return _url(self.database.url, self.database.password, self.folder)

    def clinic_url(self) -> str:
        """Return the clinic's URL with its password in it: never show it."""
        if self.clinic.url is None:
            return self.database_url()
        return _url(self.clinic.url, self.clinic.password, self.folder)


def _short(file: Path) -> Path:
    r"""SQLite on Windows opens no path over 260 characters, and an URL has no room for ``\\?\``."""
    if sys.platform == "win32" and len(str(file)) > MOST_OF_PATH:
        what = _("путь к файлу базы длиннее {most} знаков, Windows его не откроет", most=MOST_OF_PATH)
        raise SettingsError([Problem("[database] url", what, _("перенесите его в папку с коротким путём"))])
    return file


def _url(url: str, password: str | None, folder: Path) -> str:
    dialect, _separator, rest = url.partition("://")
    if dialect == "sqlite":
        return f"sqlite:///{_short(folder / rest.removeprefix('/')).as_posix()}"
    if password is None:
        return url
    user, _at, server = rest.partition("@")
    return f"{dialect}://{user}:{urllib.parse.quote(secret(password), safe='')}@{server}"
