"""``[leads.<site>]``: a site that collects requests for the clinic and speaks IDENT's GetTickets."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from identsync.language import _
from identsync.spans import DAY_MS
from identsync.values import Address, Days, Duration, Secret


class LeadsSite(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One site; ``branch`` 0 = its leads are for the whole network."""

    url: Annotated[
        Address,
        Meta(examples=["https://site.example/ident"], description="Адрес службы сайта, без имени метода в конце"),
    ]
    key: Annotated[
        Secret,
        Meta(examples=["env:SITE_KEY"], description="Ключ службы (IDENT-Integration-Key): только ссылка на него"),
    ]
    title: Annotated[str, Meta(max_length=100, description="Как называть сайт на странице; пусто = имя таблицы")] = ""
    branch: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Филиал, для которого эти заявки; 0 = вся сеть")] = 0
    interval: Annotated[Duration, Meta(ge=1_000, le=DAY_MS, description="Как часто спрашивать о новых заявках")] = (
        120_000
    )
    limit: Annotated[
        int, Meta(ge=0, le=10_000, description="Заявок за один запрос; 0 = сайт не умеет отдавать их страницами")
    ] = 500
    max_days: Annotated[int, Meta(ge=1, le=366, description="Самый длинный период одного запроса, дней")] = 30
    first_days: Annotated[int, Meta(ge=0, le=3_660, description="За сколько дней забрать заявки в первый раз")] = 90
    overlap: Annotated[
        Duration,
        Meta(ge=0, le=30 * DAY_MS, description="Насколько назад спрашивать снова: заявки, появившиеся с опозданием"),
    ] = DAY_MS
    open_end: Annotated[
        bool, Meta(description="Спрашивать и о заявках из будущего; false, если сайт отказывает в длинном периоде")
    ] = True
    timeout: Annotated[Duration, Meta(ge=1_000, le=600_000, description="Сколько ждать полного ответа")] = 45_000
    zone: Annotated[
        str | None,
        Meta(examples=["Europe/Moscow"], description="Часовой пояс дат без смещения; не указан = пояс филиала"),
    ] = None
    fix_plus8: Annotated[
        bool, Meta(description="Считать номер «+8 и ещё 10 цифр» опечаткой вместо +7; иначе он не распознаётся")
    ] = False
    answer_within: Annotated[
        Duration, Meta(ge=60_000, le=DAY_MS, description="За какое время заявке должны ответить; потом она краснеет")
    ] = 900_000
    remember: Annotated[
        Days,
        Meta(
            description=(
                "Сколько дней помнить решённые заявки с заметками, потом они стираются; 0 = всегда. Из всех сайтов "
                "берётся самый долгий срок, и не меньше first_days; кому ещё не ответили, тот не стирается"
            ),
        ),
    ] = 1_096
    lease: Annotated[
        Duration, Meta(ge=1_000, le=600_000, description="Через сколько другая программа подхватывает эту работу")
    ] = 30_000

    def mistakes(self) -> Iterable[tuple[str, str, str]]:
        """Yield (key, what, hint): the zone is one this computer knows."""
        if self.zone is not None and not _is_zone(self.zone):
            yield "zone", _("неизвестный часовой пояс"), _("пишите, например, Europe/Moscow или Asia/Novosibirsk")


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
