"""``[geocoding.<provider>]``: who tells where an address lies."""

from collections.abc import Iterable
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from identsync.language import _
from identsync.spans import DAY_MS, HOUR_MS
from identsync.values import Address, Duration, Secret

CLOUD = {"dadata": "https://cleaner.dadata.ru", "yandex": "https://geocode-maps.yandex.ru"}
TERMS = {"yandex": 30 * DAY_MS}
"""How long answers may be kept where the settings do not say (facts: geocoding.md B1)."""
PUBLIC = ("openstreetmap.org", "photon.komoot.io")
"""Servers for everybody: their terms forbid work like ours, and addresses would go abroad (facts: geocoding.md B1)."""


PerDay = Annotated[int, Meta(ge=2, le=100_000_000)]
Terms = Annotated[Duration, Meta(ge=DAY_MS, le=3_650 * DAY_MS)]


class Provider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider; they are asked in the order of ``order``, a later one only what the ones before did not find."""

    kind: Annotated[
        Literal["nominatim", "photon", "dadata", "yandex"],
        Meta(description="nominatim и photon стоят у вас и ничего не отдают наружу; dadata и yandex платные"),
    ] = "nominatim"
    url: Annotated[
        Address | None,
        Meta(examples=["http://127.0.0.1:8088"], description="Адрес службы; у dadata и yandex известен и так"),
    ] = None
    key: Annotated[
        Secret | None, Meta(examples=["env:GEOCODER_KEY"], description="Ключ dadata или yandex: только ссылка на него")
    ] = None
    secret: Annotated[
        Secret | None, Meta(examples=["env:DADATA_SECRET"], description="Секретный ключ dadata: только ссылка на него")
    ] = None
    licence: Annotated[
        bool,
        Meta(description="yandex: true, если куплена расширенная лицензия; обычная запрещает хранить координаты"),
    ] = False
    order: Annotated[int, Meta(ge=0, le=100, description="Кого спрашивать раньше: 0 первым")] = 0
    per_second: Annotated[float, Meta(gt=0, le=1000, description="Запросов в секунду, не больше")] = 10.0
    per_day: Annotated[
        PerDay | None, Meta(examples=[1000], description="Адресов в сутки; не указано = без предела")
    ] = None
    window: Annotated[int, Meta(ge=1, le=64, description="Запросов одновременно")] = 4
    terms: Annotated[
        Terms | None,
        Meta(
            examples=["30d"], description="Сколько разрешено хранить ответ; не указано = без предела, у yandex 30 дней"
        ),
    ] = None
    interval: Annotated[Duration, Meta(ge=60_000, le=7 * DAY_MS, description="Как часто искать новые адреса")] = HOUR_MS
    far: Annotated[
        int, Meta(ge=1, le=20_000, description="Дальше скольких километров от филиала точке не верить")
    ] = 150  # fmt: skip
    timeout: Annotated[Duration, Meta(ge=1_000, le=600_000, description="Сколько ждать ответа")] = 20_000
    lease: Annotated[
        Duration, Meta(ge=1_000, le=600_000, description="Через сколько другая программа подхватывает эту работу")
    ] = 60_000

    @property
    def base(self) -> str:
        """Where the provider answers."""
        return self.url or CLOUD.get(self.kind, "")

    @property
    def public(self) -> str:
        """The host, if it is a server for everybody; '' = it is none."""
        host = urlsplit(self.base).hostname or ""
        return host if any(host == each or host.endswith(f".{each}") for each in PUBLIC) else ""

    @property
    def terms_ms(self) -> int | None:
        """How long an answer may be kept; None = without end."""
        return self.terms if self.terms is not None else TERMS.get(self.kind)

    def mistakes(self) -> Iterable[tuple[str, str, str]]:
        """Yield (key, what, hint) for what does not fit together."""
        if self.kind in CLOUD and self.key is None:
            yield "key", _("нужен ключ"), _('например key = "env:GEOCODER_KEY"')
        if self.kind == "dadata" and self.secret is None:
            yield "secret", _("нужен секретный ключ dadata"), _('например secret = "env:DADATA_SECRET"')
        if self.kind not in CLOUD and self.url is None:
            yield "url", _("нужен адрес вашей службы"), _('например url = "http://127.0.0.1:8088"')
        if self.public:
            what = _("{host}: правила запрещают такую работу, а адреса пациентов ушли бы за границу", host=self.public)
            yield "url", what, _("поставьте свою службу и впишите её адрес")
        if self.kind == "yandex" and not self.licence:
            what = _("обычная лицензия Яндекса запрещает хранить координаты")
            yield "licence", what, _("купите расширенную и поставьте licence = true")
