"""``[messaging.<channel>]``: a way to send SMS or e-mail. Rules, texts and consents live on the page."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from identsync.language import _
from identsync.spans import DAY_MS
from identsync.values import Address, Days, Duration, Secret

LEAST_TEXTS, LEAST_DAYS = 31, 92
"""Messages are remembered that long at least: a reminder is planned two months ahead, and may be planned again."""
Login = Annotated[str, Meta(min_length=1, max_length=320)]
Host = Annotated[str, Meta(min_length=1, max_length=253)]
Port = Annotated[int, Meta(ge=1, le=65_535)]
KINDS = ("smpp", "smsc", "smsru", "smsaero", "exolve", "iqsms", "email")
HTTP = ("smsc", "smsru", "smsaero", "exolve", "iqsms")
WINDOW = {"smpp": 10, "email": 2}
PACE = {"smpp": 50.0, "email": 2.0}
"""Requests a second where the settings say nothing; for a gateway over HTTP five (facts: messaging.md)."""
ASKED = {"smsc": 100, "smsaero": 200}
"""Messages that a gateway is asked about at once; the others two thousand."""


class Channel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One channel; of those for the same medium the first in the file is tried first."""

    kind: Annotated[
        Literal["smpp", "smsc", "smsru", "smsaero", "exolve", "iqsms", "email"],
        Meta(
            description=(
                "smpp: оператор или шлюз по SMPP 3.4; smsc, smsru, smsaero, exolve (МТС Exolve), iqsms: шлюзы по HTTP; "
                "email: письма по SMTP"
            ),
            examples=["smsc"],
        ),
    ]
    title: Annotated[str, Meta(max_length=100, description="Как называть на странице; пусто = имя таблицы")] = ""
    url: Annotated[Address | None, Meta(description="Для шлюзов по HTTP: другой адрес службы, если он не обычный")] = (
        None
    )
    host: Annotated[Host | None, Meta(examples=["smtp.yandex.ru"], description="Для smpp и email: сервер")] = None
    port: Annotated[Port | None, Meta(description="Его порт; не указан = обычный (smpp 2775, email 465)")] = None
    tls: Annotated[
        Literal["on", "start", "off"] | None,
        Meta(
            description="on: сразу TLS; start: STARTTLS; off: без шифрования. Не указано = email on, smpp off",
            examples=["start"],
        ),
    ] = None
    user: Annotated[
        Login | None,
        Meta(
            examples=["clinic"],
            description="Логин: у smpp system_id, у smsc и iqsms login, у smsaero и email адрес почты; иным не нужен",
        ),
    ] = None
    password: Annotated[
        Secret | None,
        Meta(examples=["secret:sms"], description="Пароль или ключ (у smsru api_id, у exolve токен): только ссылка"),
    ] = None
    sender: Annotated[
        str,
        Meta(max_length=320, description="Имя отправителя (SMS) или адрес отправителя (email)", examples=["Clinic"]),
    ] = ""
    sender_name: Annotated[str, Meta(max_length=200, description="Для email: имя отправителя, как его видят")] = ""
    reply_to: Annotated[
        Login | None,
        Meta(examples=["desk@clinic.example"], description="Для email: куда отвечать, если не отправителю"),
    ] = None
    unsubscribe: Annotated[
        Login | None,
        Meta(
            examples=["mailto:desk@clinic.example"],
            description="Для email: адрес (https: или mailto:), по которому отказываются от писем",
        ),
    ] = None
    interval: Annotated[Duration, Meta(ge=1_000, le=DAY_MS, description="Как часто смотреть, что пора отправить")] = (
        15_000
    )
    receipts: Annotated[
        Duration, Meta(ge=5_000, le=DAY_MS, description="Как часто спрашивать о доставке и об остатке денег")
    ] = 60_000
    planning: Annotated[
        Duration, Meta(ge=5_000, le=DAY_MS, description="Как часто искать, кому пора напомнить о приёме")
    ] = 300_000
    rate: Annotated[
        float, Meta(ge=0, le=1_000, description="Сообщений в секунду, не больше; 0 = сколько обычно терпит такой шлюз")
    ] = 0.0
    window: Annotated[int, Meta(ge=0, le=100, description="Сообщений в пути одновременно; 0 = сколько обычно")] = 0
    timeout: Annotated[Duration, Meta(ge=1_000, le=600_000, description="Сколько ждать полного ответа")] = 45_000
    lease: Annotated[
        Duration, Meta(ge=1_000, le=600_000, description="Через сколько другая программа подхватывает эту работу")
    ] = 30_000
    price: Annotated[float, Meta(ge=0, le=1_000, description="Цена одной части SMS в рублях, для расчёта заранее")] = (
        0.0
    )
    price_ad: Annotated[
        float,
        Meta(
            ge=0,
            le=1_000,
            description="То же для рекламы; 0 = та же цена",
        ),
    ] = 0.0
    low_balance: Annotated[
        int, Meta(ge=0, le=100_000_000, description="Предупредить, если на счёте осталось меньше стольких рублей")
    ] = 500
    system_type: Annotated[str, Meta(max_length=12, description="Для smpp: system_type, если оператор его назвал")] = ""
    concat: Annotated[
        Literal["udh", "sar", "payload"],
        Meta(description="Для smpp: как сшивать длинное SMS: заголовком UDH, полями SAR или целиком message_payload"),
    ] = "udh"
    receipt_ids: Annotated[
        Literal["same", "decimal", "hex"],
        Meta(
            description=(
                "Для smpp: как в отчётах о доставке записан номер сообщения: same: как в ответе; decimal: десятичным, "
                "а в ответе шестнадцатеричным; hex: наоборот"
            )
        ),
    ] = "same"
    source_ton: Annotated[int, Meta(ge=0, le=6, description="Для smpp: TON отправителя (5 = имя)")] = 5
    source_npi: Annotated[int, Meta(ge=0, le=18, description="Для smpp: NPI отправителя")] = 0
    bounce_host: Annotated[
        Host | None,
        Meta(examples=["imap.yandex.ru"], description="Для email: сервер IMAP ящика отправителя: оттуда возвраты"),
    ] = None
    bounce_port: Annotated[Port, Meta(description="Его порт")] = 993
    texts: Annotated[
        Days,
        Meta(
            description=(
                "Сколько дней хранить тексты, адреса и файлы сообщений и разобранные ответы, потом они стираются; "
                "0 = пока хранится само сообщение. Из всех каналов берётся самый долгий срок"
            ),
        ),
    ] = 366
    remember: Annotated[
        Days,
        Meta(
            description=(
                "Сколько дней помнить, кому, когда и о чём отправляли (без текста), и оконченные рассылки; 0 = всегда. "
                "Сообщения, которые ждут человека, не стираются"
            ),
        ),
    ] = 1_096

    @property
    def medium(self) -> str:
        """What it carries: 'sms' or 'email'."""
        return "email" if self.kind == "email" else "sms"

    @property
    def pace(self) -> float:
        """Messages a second."""
        return self.rate or PACE.get(self.kind, 5.0)

    @property
    def at_once(self) -> int:
        """Messages on their way at once."""
        return self.window or WINDOW.get(self.kind, 4)

    @property
    def asked(self) -> int:
        """Messages that are asked about at once."""
        return ASKED.get(self.kind, 2_000)

    def mistakes(self) -> Iterable[tuple[str, str, str]]:
        """Yield (key, what, hint): rules across keys."""
        if self.kind in ("smpp", "email") and self.host is None:
            yield "host", _("нужен сервер"), "smtp.yandex.ru"
        if self.password is None and not (self.kind == "email" and self.user is None):
            yield "password", _("нужен пароль или ключ"), _("только ссылкой: secret:ИМЯ")
        if self.user is None and self.kind in ("smpp", "smsc", "iqsms", "smsaero"):
            yield "user", _("нужен логин"), ""
        if self.kind == "email" and "@" not in self.sender:
            yield "sender", _("нужен адрес отправителя"), "clinic@example.ru"
        if self.kind not in HTTP and self.url is not None:
            yield "url", _("адрес нужен только шлюзам по HTTP"), _("для smpp и email укажите host и port")
        if 0 < self.texts < LEAST_TEXTS:
            yield "texts", _("меньше 31 дня: тексты ещё нужны тем, кто отвечает пациентам"), "366"
        if 0 < self.remember < max(self.texts, LEAST_DAYS):
            yield "remember", _("меньше, чем texts или 92 дня: сообщение могло бы уйти второй раз"), "1096"
        if self.kind == "email" and self.bounce_host is not None and self.user is None:
            yield "bounce_host", _("чтобы читать возвраты, нужны логин и пароль почты"), ""
