"""``[egisz.<organisation>]``: a legal entity of the clinic as N3.Health knows it."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from identsync.language import _
from identsync.spans import DAY_MS
from identsync.values import Address, Duration, Secret

Code = Annotated[int, Meta(ge=0, le=65_535)]
Lpu = Annotated[str, Meta(min_length=1, max_length=100)]


class Organisation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One organisation; codes are the usual ones of its visits, by N3's own reference books."""

    url: Annotated[
        Address,
        Meta(examples=["https://b2b.n3health.example/emk"], description="Адрес N3: каталог, где EMKService.svc"),
    ]
    terms: Annotated[
        Address | None,
        Meta(
            examples=["https://b2b.n3health.example/nsi/fhir/term"],
            description="Адрес службы справочников N3; без него коды не сверяются со справочниками",
        ),
    ] = None
    token: Annotated[Secret, Meta(examples=["secret:n3"], description="GUID системы из кабинета N3: только ссылка")]
    lpu: Annotated[Lpu, Meta(examples=["11111111-2222-3333-4444-555555555555"], description="idLPU из кабинета N3")]
    title: Annotated[str, Meta(max_length=200, description="Как называть на странице; пусто = имя таблицы")] = ""
    frmo_name: Annotated[
        str, Meta(max_length=400, description="Название организации буква в букву, как в ФРМО: для сверки")
    ] = ""
    branches: Annotated[tuple[int, ...], Meta(description="Филиалы этой организации; пусто = все")] = ()
    route: Annotated[
        Literal["case", "document"],
        Meta(
            description=(
                "case: случаи обслуживания (AddCase) в ИЭМК; document: готовые документы с двумя подписями "
                "(AddMedRecord) для РЭМД"
            )
        ),
    ] = "case"
    open_cases: Annotated[
        bool,
        Meta(
            description=(
                "Передавать и незакрытые случаи: создать (CreateCase), добавлять посещения (AddStepToCase), закрыть "
                "(CloseCase); false: случай уходит целиком, когда закрыт"
            )
        ),
    ] = False
    interval: Annotated[Duration, Meta(ge=10_000, le=DAY_MS, description="Как часто искать, что пора отправить")] = (
        300_000
    )
    lease: Annotated[
        Duration, Meta(ge=1_000, le=600_000, description="Через сколько другая программа подхватывает эту работу")
    ] = 60_000
    days: Annotated[int, Meta(ge=1, le=366, description="За сколько последних дней смотреть случаи")] = 60
    deadline_days: Annotated[
        int, Meta(ge=1, le=90, description="Через сколько рабочих дней неотправленный случай просрочен; срок уточните")
    ] = 1
    guardian_age: Annotated[
        int, Meta(ge=0, le=18, description="До скольких лет случай пациента без законного представителя не готов")
    ] = 15
    at_once: Annotated[int, Meta(ge=1, le=4, description="Запросов одновременно")] = 2
    rate: Annotated[float, Meta(gt=0, le=50, description="Запросов в секунду, не больше")] = 2.0
    timeout: Annotated[Duration, Meta(ge=1_000, le=600_000, description="Сколько ждать полного ответа")] = 60_000
    addressing: Annotated[bool, Meta(description="Посылать заголовки WS-Addressing: только если об этом просит N3")] = (
        False
    )
    aid: Annotated[Code | None, Meta(description="Вид помощи (1.2.643.2.69.1.1.1.16)", examples=[1])] = None
    payment: Annotated[Code | None, Meta(description="Источник оплаты (1.2.643.2.69.1.1.1.32)", examples=[3])] = None
    confidentiality: Annotated[
        Code | None, Meta(description="Уровень конфиденциальности (1.2.643.2.69.1.1.1.90)", examples=[1])
    ] = None
    result: Annotated[Code | None, Meta(description="Результат случая (1.2.643.5.1.13.2.1.1.688)", examples=[1])] = None
    purpose: Annotated[Code | None, Meta(description="Цель обращения (1.2.643.5.1.13.2.1.1.106)", examples=[1])] = None
    case: Annotated[Code | None, Meta(description="Тип случая (1.2.643.2.69.1.1.1.35)", examples=[2])] = None
    outcome: Annotated[Code | None, Meta(description="Результат обращения (1.2.643.2.69.1.1.1.17)", examples=[1])] = (
        None
    )
    place: Annotated[Code | None, Meta(description="Место посещения (1.2.643.2.69.1.1.1.18)", examples=[1])] = None
    visit_purpose: Annotated[Code | None, Meta(description="Цель посещения (1.2.643.2.69.1.1.1.19)", examples=[1])] = (
        None
    )
    admission: Annotated[Code | None, Meta(description="AdmissionCondition, если N3 его требует", examples=[1])] = None
    disease: Annotated[Code | None, Meta(description="Характер заболевания (IdDiseaseType)", examples=[1])] = None
    diagnosis: Annotated[Code | None, Meta(description="Вид диагноза (IdDiagnosisType)", examples=[1])] = None
    role: Annotated[
        Code | None, Meta(description="Роль ответственного врача (1.2.643.5.1.13.2.7.1.30)", examples=[3])
    ] = None

    def mistakes(self) -> Iterable[tuple[str, str, str]]:
        """Yield (key, what, hint): rules across keys."""
        if len(set(self.branches)) != len(self.branches):
            yield "branches", _("один филиал назван дважды"), ""
        if self.open_cases and self.route != "case":
            yield "open_cases", _('незакрытые случаи передаются только при route = "case"'), ""


def sends(name: str) -> str:
    """Return the kind of the task that sends for an organisation."""
    return f"egisz/{name}"


def looks(name: str) -> str:
    """Return the kind of the task that looks at the organisation's contract and books."""
    return f"{sends(name)}.books"
