"""Who is calling: the patients of a number among a million, with their visits; beside the bare driver's own question.

The naive way compares telephones as they were written, by the last digits: what one does without ``phone_key``.
"""

from collections.abc import Callable, Iterator

from sqlalchemy import Engine, create_engine, insert, text

from benchmarks.harness import OURS, Result, Work, measure
from benchmarks.reminders import NOW, ZONE, insert_rows
from benchmarks.round import databases
from identsync.clinic.contract import clinic_appointment, clinic_branch, clinic_patient, contract
from identsync.clinic.source import ClinicSource

ASKED, NAIVE = 500, 5
_KEY = "SELECT patient_id, surname, name, patronymic, phone, email, branch_id, born, debt FROM clinic_patient WHERE "


class Case:
    """A network of so many patients, each with one visit before now and every third with one ahead."""

    def __init__(self, url: str, patients: int) -> None:
        self.patients = patients
        self.engine: Engine = create_engine(url)
        _fill(self.engine, patients)
        self.clinic = ClinicSource(self.engine)
        step = max(1, patients // ASKED)
        self.keys = [_key(number) for number in range(0, patients, step)][:ASKED]

    def ours(self) -> None:
        """Ask for each of the numbers."""
        for key in self.keys:
            assert len(self.clinic.callers(key, NOW)) == 1

    def driver(self) -> None:
        """The driver alone, on one connection: the patient, without his visits."""
        self._ask(self.keys, _KEY + "phone_key = {mark}", lambda key: key)

    def naive(self) -> None:
        """LIKE over telephones as they were written."""
        self._ask(self.keys[:NAIVE], _KEY + "phone LIKE {mark}", lambda key: f"%{key[6:8]}-{key[8:]}")

    def _ask(self, keys: list[str], asked: str, parameter: Callable[[str], str]) -> None:
        connection = self.engine.raw_connection()
        cursor = connection.cursor()
        statement = asked.format(mark="%s" if self.engine.dialect.name == "postgresql" else "?")
        for key in keys:
            cursor.execute(statement, (parameter(key),))
            assert cursor.fetchall()
        connection.close()


def _key(number: int) -> str:
    return f"945{number:07d}"


def _fill(engine: Engine, patients: int) -> None:
    contract.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(clinic_branch).values(branch_id=1, name="x", time_zone=ZONE))
    people = (
        {
            "patient_id": number + 1, "surname": "x", "name": "y", "patronymic": "", "branch_id": 1,
            "phone": f"+7 945 {number // 10_000:03d}-{number // 100 % 100:02d}-{number % 100:02d}",
            "phone_key": _key(number),
        }
        for number in range(patients)
    )  # fmt: skip
    visits = (
        {
            "appointment_id": number + 1, "branch_id": 1, "doctor_id": number % 200 + 1, "kind": 0,
            "patient_id": number % patients + 1, "length_minutes": 30,
            "start_minute": NOW - 100 - number % 400_000 if number < patients else NOW + number % 40_000,
        }
        for number in range(patients * 4 // 3)
    )  # fmt: skip
    for table, rows in ((clinic_patient, people), (clinic_appointment, visits)):
        insert_rows(engine, table, rows)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def run(*, quick: bool) -> Iterator[Result]:
    """Measure on every database there is; ``items`` = numbers asked for."""
    patients, runs = (100_000, 3) if quick else (1_000_000, 5)
    with databases() as urls:
        for dialect, url in urls.items():
            case = Case(url, patients)
            contenders: dict[str, Work] = {OURS: case.ours, "floor:driver": case.driver, "naive": case.naive}
            items = {OURS: ASKED, "floor:driver": ASKED, "naive": NAIVE}
            yield from measure("callers", f"{patients} patients, {dialect}", contenders, items=items, runs=runs)
            case.engine.dispose()
