"""The table of rules: what may be missing in a case, whose it is, in which words, and where it is mended.

Sentences are message keys: Russian here, English in the console's ``en.po``. ``what`` goes on after «у 14 врачей»:
«нет СНИЛС». Fields hold codes, identifiers and keys of settings, never a name, a number or a text of somebody's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


def _(text: str) -> str:
    return text


class Subject(StrEnum):
    """Whose fault it is: what ``Missing.who`` is the identifier of."""

    PATIENT = "patient"
    GUARDIAN = "guardian"  # who: the patient's
    DOCTOR = "doctor"
    CASE = "case"
    VISIT = "visit"
    DOCUMENT = "document"
    CODES = "codes"  # who: a key of the settings
    ORGANISATION = "organisation"


class Where(StrEnum):
    """Where a person mends it."""

    PATIENT = "patient"
    EMPLOYEE = "employee"
    VISIT = "visit"
    SIGNING = "signing"
    SETTINGS = "settings"


WHERE: Mapping[Where, str] = {
    Where.PATIENT: _("карточка пациента"),
    Where.EMPLOYEE: _("карточка сотрудника"),
    Where.VISIT: _("приём в амбулаторной карте"),
    Where.SIGNING: _("программа подписи документов"),
    Where.SETTINGS: _("настройки программы"),
}
PLACES: Mapping[Subject, Where] = {
    Subject.PATIENT: Where.PATIENT,
    Subject.GUARDIAN: Where.PATIENT,
    Subject.DOCTOR: Where.EMPLOYEE,
    Subject.CASE: Where.VISIT,
    Subject.VISIT: Where.VISIT,
    Subject.DOCUMENT: Where.SIGNING,
    Subject.CODES: Where.SETTINGS,
    Subject.ORGANISATION: Where.SETTINGS,
}
WHOSE: Mapping[Subject, str] = {
    Subject.PATIENT: _("у {n} пациента|у {n} пациентов|у {n} пациентов"),
    Subject.GUARDIAN: _("у представителя {n} пациента|у представителей {n} пациентов|у представителей {n} пациентов"),
    Subject.DOCTOR: _("у {n} врача|у {n} врачей|у {n} врачей"),
    Subject.CASE: _("в {n} случае|в {n} случаях|в {n} случаях"),
    Subject.VISIT: _("в {n} посещении|в {n} посещениях|в {n} посещениях"),
    Subject.DOCUMENT: _("в {n} документе|в {n} документах|в {n} документах"),
}
"""Of how many, as a plural; of the settings there is one."""
OF_ONE: Mapping[Subject, str] = {
    Subject.PATIENT: _("у пациента"),
    Subject.GUARDIAN: _("у представителя пациента"),
    Subject.DOCTOR: _("у врача"),
    Subject.CASE: _("в случае"),
    Subject.VISIT: _("в посещении"),
    Subject.DOCUMENT: _("в документе"),
}
LINE = _("{whose} {what}")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: ``what`` is missing or wrong, ``mend`` says what to do where ``where`` alone does not tell it."""

    key: str
    subject: Subject
    what: str
    mend: str = ""
    where: Where | None = None

    @property
    def place(self) -> Where:
        """Where it is mended."""
        return self.where or PLACES[self.subject]


class Missing(Struct, frozen=True, gc=False):
    """One line of what a case lacks: the rule's key, whose (a clinic's own identifier), what fills the sentence."""

    rule: str
    who: str
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def what(self) -> str:
        """The sentence, a message key with places for the fields."""
        return RULES[self.rule].what

    @property
    def mend(self) -> str:
        """What to do, a message key; '' where the place says it all."""
        return RULES[self.rule].mend

    @property
    def where(self) -> Where:
        """Where it is mended."""
        return RULES[self.rule].place

    @property
    def subject(self) -> Subject:
        """Whose it is."""
        return RULES[self.rule].subject


@dataclass(frozen=True, slots=True)
class Gathered:
    """One line of the page: the same fault of several people, visits or cases, and the cases that it holds up."""

    missing: Missing  # one of them, for its words
    who: tuple[str, ...]
    cases: tuple[str, ...]


class Catalogue(Protocol):
    """A language: the console's catalogue."""

    def __call__(self, sentence: str, **values: object) -> str:
        """Return a sentence with its places filled."""
        ...

    def plural(self, n: int, forms: str) -> str:
        """Return the form of a sentence for a number."""
        ...


def words(one: Missing, told: Catalogue) -> str:
    """Return what is missing as a sentence of a language."""
    return told(one.what, **{name: told(value) if name == "label" else value for name, value in one.fields})


def of_one(one: Missing, told: Catalogue) -> str:
    """Return a case's own line: «у врача нет СНИЛС»."""
    whose, what = OF_ONE.get(one.subject), words(one, told)
    return told(LINE, whose=told(whose), what=what) if whose else what


def line(several: Gathered, told: Catalogue) -> str:
    """Return the line of several: «у 14 врачей нет СНИЛС»; of the settings there is one, so no number."""
    whose = WHOSE.get(several.missing.subject)
    what = words(several.missing, told)
    return told(LINE, whose=told.plural(len(several.who), whose), what=what) if whose else what


def gathered(found: Mapping[str, Sequence[Missing]]) -> list[Gathered]:
    """Gather what cases (by their keys) lack into lines, those that hold up most cases first."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[dict[str, None], dict[str, None]]] = {}
    for case, told in found.items():
        for one in told:
            group = groups.get((one.rule, one.fields))
            if group is None:
                group = groups[one.rule, one.fields] = {}, {}
            group[0][one.who] = None
            group[1][case] = None
    lines = [
        Gathered(Missing(rule, next(iter(who)), fields), tuple(who), tuple(cases))
        for (rule, fields), (who, cases) in groups.items()
    ]
    return sorted(lines, key=lambda line: (-len(line.cases), line.missing.rule, line.missing.fields))


USUAL = _("Задайте обычный код клиники или выберите код в приёме.")
CYRILLIC_CODE = _("Наберите код заново латинскими буквами.")
NO_ID = _("Обратитесь к тому, кто настраивал чтение базы клиники.")
TO_BOOK = _("Выберите значение из справочника N3: прежнее могли убрать в новой версии.")
NO_PATRONYMIC = _("Если отчества нет, оставьте поле пустым: это не ошибка.")
NO_SNILS = _("Внесите СНИЛС, а иностранцу, у которого его нет, документ иностранца.")

PERSON: Sequence[tuple[str, str, str]] = (
    ("id", _("нет постоянного номера карточки"), NO_ID),
    ("surname", _("нет фамилии"), ""),
    ("name", _("нет имени"), ""),
    ("signs", _("в фамилии, имени или отчестве недопустимый знак: {sign}"), _("Оставьте буквы, дефис и апостроф.")),
    ("mixed", _("в фамилии, имени или отчестве смешаны русские и латинские буквы"), _("Наберите слово заново.")),
    ("initial", _("вместо полного имени или отчества инициал"), _("Впишите полностью, как в паспорте.")),
    ("filler", _("вместо отчества написано, что его нет"), NO_PATRONYMIC),
    ("sex", _("не указан пол"), ""),
    ("sex.unknown", _("пол записан кодом, которого нет у N3: {code}"), ""),
    ("born", _("нет даты рождения"), ""),
    ("born.wrong", _("дата рождения невозможна"), ""),
    ("snils", _("нет СНИЛС"), ""),
    ("snils.shape", _("в СНИЛС не 11 цифр"), ""),
    ("snils.check", _("в СНИЛС ошибка: не сходится контрольное число"), _("Сверьте номер с документом.")),
)
CODES: Mapping[str, str] = {
    "aid": _("вид помощи"),
    "payment": _("источник оплаты"),
    "confidentiality": _("уровень конфиденциальности"),
    "result": _("результат случая"),
    "purpose": _("цель обращения"),
    "case": _("тип случая"),
    "outcome": _("результат обращения"),
    "place": _("место посещения"),
    "visit_purpose": _("цель посещения"),
    "admission": _("состояние при обращении"),
    "disease": _("характер заболевания"),
    "diagnosis": _("вид диагноза"),
    "role": _("роль врача"),
}
"""What each of a case's codes is called, by its key in the settings."""


def _of_people() -> Iterable[Rule]:
    for subject in (Subject.PATIENT, Subject.GUARDIAN, Subject.DOCTOR):
        for key, what, mend in PERSON:
            mends = NO_SNILS if (subject, key) == (Subject.PATIENT, "snils") else mend
            yield Rule(f"{subject}.{key}", subject, what, mends)


def _of_codes() -> Iterable[Rule]:
    for key in CODES:
        yield Rule(f"code.{key}", Subject.CODES, _("не указан код: {label} ({key})"), USUAL)
        yield Rule(f"code.{key}.wide", Subject.CODES, _("код больше 255: {label} ({key} = {code})"))
        unknown = _("кода нет в справочнике N3 {oid}: {label} ({key} = {code})")
        yield Rule(f"code.{key}.unknown", Subject.CODES, unknown, TO_BOOK)
        yield Rule(f"visit.code.{key}.wide", Subject.CASE, _("код больше 255: {label} ({code})"))
        unknown = _("выбран код, которого нет в справочнике N3 {oid}: {label} ({code})")
        yield Rule(f"visit.code.{key}.unknown", Subject.CASE, unknown, TO_BOOK)


PATIENT, GUARDIAN, DOCTOR, CASE = Subject.PATIENT, Subject.GUARDIAN, Subject.DOCTOR, Subject.CASE
VISIT, DOCUMENT, ORGANISATION = Subject.VISIT, Subject.DOCUMENT, Subject.ORGANISATION
_RULES = (
    Rule("patient.text", PATIENT, _("в адресе или телефоне знаки, которые нельзя передать")),
    Rule("patient.paper.kind", PATIENT, _("у документа не указан вид")),
    Rule("patient.paper.kind.unknown", PATIENT, _("вида документа с кодом {code} нет в справочнике N3 {oid}"), TO_BOOK),
    Rule("patient.paper.number", PATIENT, _("у документа нет номера")),
    Rule("patient.paper.number.signs", PATIENT, _("в номере документа пробелы, дефисы или другие лишние знаки")),
    Rule("patient.paper.series.signs", PATIENT, _("в серии документа лишние знаки")),
    Rule("patient.paper.passport", PATIENT, _("в паспорте РФ не 4 цифры серии и 6 цифр номера")),
    Rule("patient.paper.snils", PATIENT, _("в номере СНИЛС среди документов ошибка")),
    Rule("patient.paper.issuer", PATIENT, _("не указано, кто выдал документ")),
    Rule("patient.paper.issued", PATIENT, _("дата выдачи документа невозможна"), _("Сверьте с датой рождения.")),
    Rule(
        "patient.guardian", PATIENT, _("нет законного представителя, а возраст до {age} лет"),
        _("Впишите родителя или опекуна и документ, по которому он действует."),
    ),
    Rule("guardian.relation", GUARDIAN, _("не указано, кем приходится пациенту")),
    Rule("guardian.relation.unknown", GUARDIAN, _("родства с кодом {code} нет в справочнике N3 {oid}"), TO_BOOK),
    Rule("guardian.paper", GUARDIAN, _("нет документа, по которому он действует")),
    Rule("guardian.self", GUARDIAN, _("записан сам пациент")),
    Rule("guardian.younger", GUARDIAN, _("дата рождения не раньше, чем у пациента")),
    Rule("doctor.position", DOCTOR, _("нет должности"), _("Выберите должность, как в ФРМР.")),
    Rule("doctor.position.unknown", DOCTOR, _("должности с кодом {code} нет в справочнике N3 {oid}"), TO_BOOK),
    Rule("doctor.speciality", DOCTOR, _("нет специальности"), _("Выберите специальность, как в ФРМР.")),
    Rule("doctor.speciality.unknown", DOCTOR, _("специальности с кодом {code} нет в справочнике N3 {oid}"), TO_BOOK),
    Rule("case.id", CASE, _("нет постоянного номера случая"), NO_ID),
    Rule("case.number", CASE, _("нет номера карты или талона")),
    Rule("case.opened", CASE, _("нет даты начала")),
    Rule("case.order", CASE, _("конец раньше начала")),
    Rule("case.future", CASE, _("дата ещё не наступила")),
    Rule("case.unborn", CASE, _("начало раньше рождения пациента"), _("Проверьте дату рождения в карточке пациента.")),
    Rule("case.first", CASE, _("не указано, первичный приём или повторный")),
    Rule("case.first.unknown", CASE, _("вида приёма с кодом {code} нет в справочнике N3 {oid}")),
    Rule("case.conclusion", CASE, _("нет заключения")),
    Rule("case.text", CASE, _("в заключении знаки, которые нельзя передать")),
    Rule("case.visits", CASE, _("нет ни одного посещения")),
    Rule("case.visits.same", CASE, _("два посещения под одним номером")),
    Rule("case.diagnosis", CASE, _("нет диагноза"), _("Поставьте диагноз по МКБ-10 и сделайте его основным.")),
    Rule("case.diagnosis.main", CASE, _("ни один диагноз не отмечен основным")),
    Rule("case.diagnosis.several", CASE, _("основных диагнозов больше одного")),
    Rule("diagnosis.code", CASE, _("диагноз без кода МКБ-10")),
    Rule("diagnosis.cyrillic", CASE, _("в коде МКБ-10 русская буква: {code}"), CYRILLIC_CODE),
    Rule("diagnosis.shape", CASE, _("не похоже на код МКБ-10: {code}"), _("Пример кода: K02.1.")),
    Rule("diagnosis.unknown", CASE, _("кода МКБ-10 {code} нет в справочнике N3 {oid}"), TO_BOOK),
    Rule("diagnosis.made", CASE, _("не указано, когда поставлен диагноз")),
    Rule("diagnosis.time", CASE, _("диагноз поставлен после конца случая или до рождения пациента")),
    Rule("diagnosis.text", CASE, _("в пояснении к диагнозу знаки, которые нельзя передать")),
    Rule("visit.id", VISIT, _("нет постоянного номера посещения"), NO_ID),
    Rule("visit.end", VISIT, _("нет времени окончания")),
    Rule("visit.order", VISIT, _("окончание раньше начала")),
    Rule("visit.outside", VISIT, _("время не внутри случая"), _("Сверьте его с началом и концом случая.")),
    Rule("visit.future", VISIT, _("время ещё не наступило")),
    Rule("visit.text", VISIT, _("в записи врача или названии услуги знаки, которые нельзя передать")),
    Rule("service.code", VISIT, _("услуга без кода номенклатуры"), _("Внесите код в прайс-лист: A16.07.002.")),
    Rule("service.cyrillic", VISIT, _("в коде услуги русская буква: {code}"), CYRILLIC_CODE),
    Rule("service.shape", VISIT, _("не похоже на код услуги: {code}"), _("Пример кода: A16.07.002.")),
    Rule("service.unknown", VISIT, _("услуги с кодом {code} нет в справочнике N3 {oid}"), TO_BOOK),
    Rule("service.order", VISIT, _("окончание услуги {code} раньше начала")),
    Rule("service.outside", VISIT, _("время услуги {code} не внутри случая")),
    Rule("service.quantity", VISIT, _("количество услуги {code} меньше одной")),
    Rule("document.id", DOCUMENT, _("нет постоянного номера документа"), NO_ID),
    Rule("document.kind", DOCUMENT, _("не указан вид документа")),
    Rule("document.kind.unknown", DOCUMENT, _("вида документа с кодом {code} нет в справочнике N3 {oid}"), TO_BOOK),
    Rule("document.header", DOCUMENT, _("нет названия")),
    Rule("document.text", DOCUMENT, _("в названии знаки, которые нельзя передать")),
    Rule("document.created", DOCUMENT, _("дата ещё не наступила")),
    Rule("document.content", DOCUMENT, _("нет содержимого")),
    Rule("document.content.shape", DOCUMENT, _("содержимое не похоже на XML")),
    Rule("document.doctor_sign", DOCUMENT, _("нет подписи врача")),
    Rule("document.clinic_sign", DOCUMENT, _("нет подписи клиники")),
    Rule(
        "document.sign.shape", DOCUMENT, _("подпись не похожа на отсоединённую"),
        _("Нужна отсоединённая подпись CMS двоичным файлом, не текстом BASE64 или PEM."),
    ),
    Rule("document.sign.same", DOCUMENT, _("подпись врача и подпись клиники одинаковы")),
    Rule(
        "organisation.lpu", ORGANISATION, _("организации с таким номером (lpu) нет в справочнике N3 {oid}"),
        _("Возьмите idLPU из кабинета N3."),
    ),
    Rule(
        "organisation.name", ORGANISATION, _("название (frmo_name) не такое, как в справочнике N3: {name}"),
        _("Перепишите его буква в букву: так организация записана в ФРМО."),
    ),
)  # fmt: skip
RULES: Mapping[str, Rule] = {rule.key: rule for rule in (*_of_people(), *_of_codes(), *_RULES)}
"""Every rule by its key; a key, once released, keeps its meaning."""
