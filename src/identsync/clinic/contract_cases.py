"""What the engine asks of a clinic's database where its cases go to ЕГИСЗ: further relations of the contract.

They are looked at, and asked for by ``identsync check``, only where ``[egisz]`` is in the settings. What a clinic has
not written down is NULL: the room says in words what is missing.
"""

from sqlalchemy import BigInteger, Column, Engine, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Unicode

from identsync.clinic.contract import contract, relation
from identsync.errors import Problem

_DAYS = "дни с 1970-01-01 (раньше = меньше нуля)"
_MINUTE = "минуты местного времени с 1970-01-01 00:00"

clinic_employee = Table(
    "clinic_employee",
    contract,
    Column("doctor_id", Integer, primary_key=True, autoincrement=False, doc="номер врача, как в clinic_staff"),
    Column("surname", Unicode(100), doc="фамилия"),
    Column("name", Unicode(100), doc="имя"),
    Column("patronymic", Unicode(100), doc="отчество; NULL, если нет"),
    Column("sex", SmallInteger, doc="1 = мужской, 2 = женский; NULL, если неизвестен"),
    Column("born", Integer, doc=f"дата рождения: {_DAYS}; NULL, если неизвестна"),
    Column("snils", Unicode(20), doc="СНИЛС, как записан; NULL, если его нет"),
    Column("position_code", Integer, doc="код должности по федеральному справочнику; NULL, если не указан"),
    Column("speciality_code", Integer, doc="код специальности по федеральному справочнику; NULL, если не указан"),
    comment="врачи, как они записаны в ФРМР",
)
clinic_identity = Table(
    "clinic_identity",
    contract,
    Column("patient_id", BigInteger, primary_key=True, autoincrement=False, doc="номер пациента"),
    Column("snils", Unicode(20), doc="СНИЛС, как записан; NULL, если его нет"),
    Column("paper_kind", SmallInteger, doc="вид документа по справочнику N3 (14 = паспорт); NULL, если документа нет"),
    Column("paper_series", Unicode(20), doc="серия; NULL, если её нет"),
    Column("paper_number", Unicode(40), doc="номер; NULL, если документа нет"),
    Column("paper_issuer", Unicode(400), doc="кем выдан; NULL, если неизвестно"),
    Column("paper_issued", Integer, doc=f"когда выдан: {_DAYS}; NULL, если неизвестно"),
    Column("guardian_surname", Unicode(100), doc="фамилия представителя; NULL, если его нет"),
    Column("guardian_name", Unicode(100), doc="имя представителя"),
    Column("guardian_patronymic", Unicode(100), doc="отчество представителя; NULL, если нет"),
    Column("guardian_sex", SmallInteger, doc="пол представителя: 1 = мужской, 2 = женский"),
    Column("guardian_born", Integer, doc=f"дата рождения представителя: {_DAYS}"),
    Column("guardian_snils", Unicode(20), doc="СНИЛС представителя; NULL, если его нет"),
    Column("guardian_relation", SmallInteger, doc="кем приходится, по справочнику родства"),
    Column("guardian_paper", Unicode(400), doc="документ, по которому он представляет пациента"),
    comment="документы пациентов и их законные представители",
)
clinic_case = Table(
    "clinic_case",
    contract,
    Column("case_id", BigInteger, primary_key=True, autoincrement=False, doc="номер случая, не меняется"),
    Column("branch_id", Integer, nullable=False, doc="филиал"),
    Column("patient_id", BigInteger, nullable=False, doc="пациент"),
    Column("doctor_id", Integer, nullable=False, doc="врач, который отвечает за случай"),
    Column("number", Unicode(60), doc="номер карты или талона; NULL, если его нет"),
    Column("opened_minute", BigInteger, nullable=False, doc=f"когда открыт: {_MINUTE}"),
    Column("closed_minute", BigInteger, doc=f"когда закрыт: {_MINUTE}; NULL, если ещё открыт"),
    Column("is_first", SmallInteger, doc="1 = первичный, 0 = повторный; NULL, если не указано"),
    Column("conclusion", Unicode(4000), doc="заключение; NULL, если не написано"),
    Column("aid_code", Integer, doc="вид помощи, если он не обычный для организации"),
    Column("payment_code", Integer, doc="источник оплаты, если он не обычный"),
    Column("result_code", Integer, doc="результат случая, если он не обычный"),
    Column("purpose_code", Integer, doc="цель обращения, если она не обычная"),
    Column("outcome_code", Integer, doc="результат обращения, если он не обычный"),
    Column("is_cancelled", SmallInteger, nullable=False, doc="1 = случай аннулирован в клинике, иначе 0"),
    Column("changed_ms", BigInteger, doc="последнее изменение, миллисекунды UTC с 1970 года; NULL, если неизвестно"),
    Index("clinic_case_by_time", "branch_id", "opened_minute"),
    comment="случаи обслуживания",
)
clinic_case_visit = Table(
    "clinic_case_visit",
    contract,
    Column("visit_id", BigInteger, primary_key=True, autoincrement=False, doc="номер посещения, не меняется"),
    Column("case_id", BigInteger, nullable=False, doc="случай"),
    Column("doctor_id", Integer, nullable=False, doc="врач"),
    Column("start_minute", BigInteger, nullable=False, doc=f"начало: {_MINUTE}"),
    Column("end_minute", BigInteger, doc=f"конец: {_MINUTE}; NULL, если не закончено"),
    Column("comment", Unicode(1000), doc="примечание; NULL, если его нет"),
    Index("clinic_case_visit_by_case", "case_id"),
    comment="посещения случая",
)
clinic_case_service = Table(
    "clinic_case_service",
    contract,
    Column("service_id", BigInteger, primary_key=True, autoincrement=False, doc="номер оказанной услуги"),
    Column("case_id", BigInteger, nullable=False, doc="случай"),
    Column("visit_id", BigInteger, nullable=False, doc="посещение"),
    Column("doctor_id", Integer, nullable=False, doc="кто оказал"),
    Column("code", Unicode(40), doc="код по номенклатуре медицинских услуг (A16.07...); NULL, если не указан"),
    Column("name", Unicode(400), doc="название услуги"),
    Column("start_minute", BigInteger, nullable=False, doc=f"начало: {_MINUTE}"),
    Column("end_minute", BigInteger, nullable=False, doc=f"конец: {_MINUTE}"),
    Column("quantity", Integer, nullable=False, doc="сколько раз"),
    Index("clinic_case_service_by_case", "case_id"),
    comment="услуги случая",
)
clinic_case_diagnosis = Table(
    "clinic_case_diagnosis",
    contract,
    Column("diagnosis_id", BigInteger, primary_key=True, autoincrement=False, doc="номер диагноза"),
    Column("case_id", BigInteger, nullable=False, doc="случай"),
    Column("doctor_id", Integer, nullable=False, doc="кто поставил"),
    Column("code", Unicode(20), doc="код МКБ-10; NULL, если не указан"),
    Column("is_main", SmallInteger, nullable=False, doc="1 = основной, 0 = сопутствующий"),
    Column("made_minute", BigInteger, doc=f"когда поставлен: {_MINUTE}; NULL, если не указано"),
    Column("comment", Unicode(1000), doc="словами; NULL, если не написано"),
    Index("clinic_case_diagnosis_by_case", "case_id"),
    comment="диагнозы случая",
)
clinic_signed = Table(
    "clinic_signed",
    contract,
    Column("document_id", Unicode(64), primary_key=True, doc="номер документа (UUID), тот же, что внутри него"),
    Column("case_id", BigInteger, doc="случай; NULL, если документ не о случае"),
    Column("branch_id", Integer, nullable=False, doc="филиал"),
    Column("patient_id", BigInteger, nullable=False, doc="пациент"),
    Column("doctor_id", Integer, nullable=False, doc="кто составил и подписал"),
    Column("kind", Integer, doc="вид документа по справочнику N3 (IdMedDocumentType); NULL, если не указан"),
    Column("header", Unicode(400), doc="название документа"),
    Column("created_minute", BigInteger, nullable=False, doc=f"когда составлен: {_MINUTE}"),
    Column("content", LargeBinary, nullable=False, doc="сам документ (CDA), байт в байт"),
    Column("doctor_sign", LargeBinary, doc="подпись врача (отсоединённая); NULL, пока не подписан"),
    Column("clinic_sign", LargeBinary, doc="подпись организации (отсоединённая); NULL, пока не подписан"),
    Column("changed_ms", BigInteger, doc="последнее изменение, миллисекунды UTC с 1970 года; NULL, если неизвестно"),
    Index("clinic_signed_by_time", "branch_id", "created_minute"),
    comment="готовые документы с двумя подписями",
)

RELATIONS: tuple[Table, ...] = (
    clinic_employee,
    clinic_identity,
    clinic_case,
    clinic_case_visit,
    clinic_case_service,
    clinic_case_diagnosis,
    clinic_signed,
)


def check(engine: Engine, schema: str | None = None) -> list[Problem]:
    """Say everything that is wrong with these relations, as ``contract.check`` does of the others."""
    home = MetaData()
    with engine.connect() as connection:
        own = (table.to_metadata(home, schema=schema) if schema else table for table in RELATIONS)
        return [problem for table in own for problem in relation(connection, table)]
