"""``[timetable.<destination>]``: a site that shows free time and speaks IDENT's PostTimeTable."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from identsync.language import _
from identsync.spans import DAY_MS
from identsync.values import Address, Duration, Secret

Id = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class Destination(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One site; empty lists of branches and doctors mean all of them."""

    url: Annotated[
        Address,
        Meta(examples=["https://site.example/ident"], description="Адрес службы сайта, без имени метода в конце"),
    ]
    key: Annotated[
        Secret,
        Meta(examples=["env:SITE_KEY"], description="Ключ службы (IDENT-Integration-Key): только ссылка на него"),
    ]
    title: Annotated[str, Meta(max_length=100, description="Как называть сайт на странице; пусто = имя таблицы")] = ""
    branches: Annotated[list[Id], Meta(description="Какие филиалы отдавать; пусто = все")] = field(default_factory=list)
    doctors: Annotated[list[Id], Meta(description="Каких врачей отдавать; пусто = всех")] = field(default_factory=list)
    days: Annotated[int, Meta(ge=1, le=366, description="На сколько дней вперёд, считая сегодня")] = 30
    interval: Annotated[
        Duration, Meta(ge=1_000, le=DAY_MS, description="Как часто сверять: изменилось, значит отправить")
    ] = 600_000
    refresh: Annotated[
        Duration, Meta(ge=60_000, le=30 * DAY_MS, description="Отправлять не реже, даже если ничего не менялось")
    ] = DAY_MS
    gzip: Annotated[bool, Meta(description="Сжимать тело (в 20-30 раз меньше); true, если сайт это принимает")] = False
    split: Annotated[
        Literal["whole", "branch", "doctors"],
        Meta(
            description=(
                "Одним телом (whole), по филиалам (branch) или, если и филиал не умещается, ещё и по врачам (doctors); "
                "делить можно, только если сайт складывает части, а не заменяет одну другой"
            )
        ),
    ] = "whole"
    max_bytes: Annotated[
        int, Meta(ge=0, le=2**31 - 1, description="Предел тела у сайта в байтах до сжатия; 0 = предела нет")
    ] = 0
    shrink: Annotated[
        int,
        Meta(ge=1, le=100, description="Спросить человека, если рабочего или занятого времени убыло больше (в %)"),
    ] = 30
    timeout: Annotated[Duration, Meta(ge=1_000, le=600_000, description="Сколько ждать полного ответа")] = 45_000
    lease: Annotated[
        Duration, Meta(ge=1_000, le=600_000, description="Через сколько другая программа подхватывает эту работу")
    ] = 30_000

    def mistakes(self) -> Iterable[tuple[str, str, str]]:
        """Yield (key, what, hint): rules across keys."""
        if self.split == "doctors" and not self.max_bytes:
            yield "split", _("делить по врачам не по чему: нет предела"), _("задайте max_bytes")
        if 0 < self.max_bytes < 4096:
            yield "max_bytes", _("слишком мало даже для одного врача"), _("например: {n}", n=2_097_152)
