"""``[telephony.<line>]``: a PBX, in the clinic or in the cloud. Who sits at which phone is said on the page."""

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from identsync.language import _
from identsync.spans import DAY_MS
from identsync.values import Address, Days, Duration, Secret

OWN_ADDRESS = ("ident", "megafon")
"""Kinds whose address is the clinic's own and must be named."""
LEAST_DAYS = 31
WITH_LOGIN = ("asterisk", "mango", "zadarma", "sipuni")
Text = Annotated[str, Meta(min_length=1, max_length=253)]
Long = Annotated[str, Meta(min_length=1, max_length=500)]
Port = Annotated[int, Meta(ge=1, le=65_535)]
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_CHANNEL = re.compile(r"[A-Za-z0-9_./@{}-]*\{extension\}[A-Za-z0-9_./@-]*")


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One PBX; ``branch`` 0 = it serves the whole network."""

    kind: Annotated[
        Literal["asterisk", "uis", "mango", "ident", "zadarma", "megafon", "beeline", "sipuni", "exolve"],
        Meta(
            description=(
                "asterisk: своя АТС (Asterisk, FreePBX, MikoPBX) по AMI; uis: UIS, CoMagic, Novofon; mango: Mango "
                "Office; ident: служба, говорящая на протоколе IDENT; zadarma, megafon (ВАТС), beeline (облачная АТС), "
                "sipuni, exolve (МТС Exolve)"
            ),
            examples=["asterisk"],
        ),
    ]
    title: Annotated[str, Meta(max_length=100, description="Как называть на странице; пусто = имя таблицы")] = ""
    branch: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Филиал, куда звонят; 0 = вся сеть")] = 0
    area: Annotated[
        str, Meta(pattern=r"^\d{0,5}$", description="Код города: к нему относятся номера без кода", examples=["495"])
    ] = ""
    url: Annotated[
        Address | None,
        Meta(
            examples=["https://example.megapbx.ru/crmapi/v1"],
            description="Адрес службы: нужен для ident и megafon, у остальных только если он не обычный",
        ),
    ] = None
    data_url: Annotated[
        Address | None, Meta(description="Для uis: адрес Data API, если он не обычный (Novofon, CoMagic)")
    ] = None
    host: Annotated[Text | None, Meta(examples=["192.168.1.10"], description="Для asterisk: сервер")] = None
    port: Annotated[Port | None, Meta(description="Его порт; не указан = 5038, с TLS 5039")] = None
    tls: Annotated[bool, Meta(description="Для asterisk: AMI через TLS")] = False
    user: Annotated[
        Text | None,
        Meta(
            examples=["identsync"],
            description=(
                "asterisk: имя из manager.conf; mango: ключ vpbx_api_key; zadarma: ключ; sipuni: номер клиента; "
                "exolve: номер ресурса обратного звонка"
            ),
        ),
    ] = None
    password: Annotated[
        Secret | None,
        Meta(
            examples=["secret:pbx"],
            description=(
                "asterisk: secret из manager.conf; mango: vpbx_api_salt; uis: токен; ident: ключ службы; иначе ключ "
                "или секрет API: только ссылка"
            ),
        ),
    ] = None
    number: Annotated[
        str, Meta(max_length=40, description="Наш номер, который увидит тот, кому звоним (uis, mango, exolve)")
    ] = ""
    context: Annotated[Text, Meta(description="Для asterisk: контекст, из которого набирают наружу")] = "from-internal"
    channel: Annotated[
        Text, Meta(description="Для asterisk: телефон сотрудника; {extension} = его внутренний номер")
    ] = "PJSIP/{extension}"
    inside: Annotated[
        int, Meta(ge=1, le=7, description="До скольких цифр номер считается внутренним (asterisk и сверка)")
    ] = 5
    recordings: Annotated[
        Long | None,
        Meta(
            examples=["//pbx/monitor/{yyyy}/{mm}/{dd}/{file}"],
            description="Для asterisk: где лежат записи: папка или адрес http(s); {file}, {yyyy}, {mm}, {dd}",
        ),
    ] = None
    keep: Annotated[
        int, Meta(ge=0, le=3_660, description="Сколько дней хранить записи разговоров у себя; 0 = не хранить")
    ] = 0
    folder: Annotated[
        Long | None,
        Meta(examples=["//server/calls"], description="Общая папка для хранимых записей: нужна, если keep больше 0"),
    ] = None
    remember: Annotated[
        Days,
        Meta(
            description=(
                "Сколько дней помнить звонки и решённые пропущенные с заметками, потом они стираются; 0 = всегда. Кому "
                "ещё не перезвонили, тот не стирается"
            ),
        ),
    ] = 1_096
    hours: Annotated[str, Meta(description="Когда на звонки отвечают: ожидание считается в этих часах")] = "08:00-21:00"
    poll: Annotated[
        Duration, Meta(ge=500, le=60_000, description="Как часто спрашивать облачную АТС о звонках, что идут сейчас")
    ] = 2_000
    interval: Annotated[Duration, Meta(ge=10_000, le=DAY_MS, description="Как часто забирать историю звонков")] = (
        300_000
    )
    first_days: Annotated[int, Meta(ge=0, le=365, description="За сколько дней забрать историю в первый раз")] = 30
    ring: Annotated[Duration, Meta(ge=5_000, le=120_000, description="Сколько ждать, пока сотрудник снимет трубку")] = (
        30_000
    )
    rate: Annotated[
        float, Meta(ge=0, le=100, description="Запросов в секунду, не больше; 0 = сколько терпит такая АТС")
    ] = 0.0
    timeout: Annotated[Duration, Meta(ge=1_000, le=600_000, description="Сколько ждать полного ответа")] = 30_000
    lease: Annotated[
        Duration, Meta(ge=1_000, le=600_000, description="Через сколько другая программа подхватывает эту работу")
    ] = 10_000

    @property
    def open_minutes(self) -> tuple[int, int]:
        """When calls are answered: minutes of the day, the second behind the last."""
        found = _HOURS.fullmatch(self.hours)
        assert found is not None  # checked by mistakes()
        first, last = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
        return first, min(last, 1_440)

    def mistakes(self) -> Iterable[tuple[str, str, str]]:
        """Yield (key, what, hint): rules across keys."""
        if self.kind == "asterisk" and self.host is None:
            yield "host", _("нужен сервер"), "192.168.1.10"
        if self.kind in OWN_ADDRESS and self.url is None:
            yield "url", _("нужен адрес службы"), "https://..."
        if self.user is None and self.kind in WITH_LOGIN:
            yield "user", _("нужен логин или ключ"), ""
        if self.password is None:
            yield "password", _("нужен пароль или ключ"), _("только ссылкой: secret:ИМЯ")
        if not _CHANNEL.fullmatch(self.channel):
            yield "channel", _("нужен {extension}, и никаких пробелов"), "PJSIP/{extension}"
        if self.keep and self.folder is None:
            yield "folder", _("чтобы хранить записи, нужна общая папка"), "//server/calls"
        if 0 < self.remember < max(self.keep, self.first_days, LEAST_DAYS):
            yield "remember", _("меньше, чем keep, first_days или 31 день: сведения стёрлись бы раньше срока"), "1096"
        found = _HOURS.fullmatch(self.hours)
        if found is None or self.open_minutes[0] >= self.open_minutes[1]:
            yield "hours", _("пишется так: 08:00-21:00"), ""
