"""Cases as no clinic writes them, for hypothesis."""

from datetime import UTC, date, datetime, time, timedelta, timezone

from hypothesis import strategies as st

from identsync.integrations.egisz.case import (
    Case,
    Codes,
    Diagnosis,
    Doctor,
    Guardian,
    Paper,
    Patient,
    Person,
    Service,
    Visit,
)

texts = st.text(max_size=12) | st.sampled_from(["", "Анна", "112-233-445 95", "K02.1", "A16.07.002", "\ud800", "\x00"])
ids = st.text(max_size=8)
codes_ = st.none() | st.integers(-1, 70_000)
dates = st.none() | st.dates()
zones = st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))])
DAYS = date(2026, 11, 1), date(2026, 12, 1)
midnights = st.builds(datetime.combine, st.dates(*DAYS), st.just(time()), tzinfo=zones)
near = st.builds(datetime.combine, st.dates(*DAYS), st.times(), tzinfo=zones)
ends_of_time = st.sampled_from([datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
moments = near | midnights | ends_of_time
people = st.builds(
    Person, id=ids, surname=texts, name=texts, patronymic=texts, sex=st.none() | st.integers(0, 3), born=dates,
    snils=texts,
)  # fmt: skip
papers = st.builds(Paper, kind=codes_, number=texts, series=texts, issuer=texts, issued=dates)
guardians = st.builds(Guardian, person=people, relation=codes_, paper=texts)
patients = st.builds(
    Patient, person=people, papers=st.lists(papers, max_size=2).map(tuple), address=texts, phone=texts,
    guardian=st.none() | guardians,
)  # fmt: skip
doctors = st.builds(Doctor, person=people, position=codes_, speciality=codes_)
services = st.builds(
    Service, code=texts, name=texts, start=moments, end=moments, doctor=doctors, quantity=st.integers(-1, 3)
)
visits = st.builds(
    Visit, id=ids, start=moments, end=st.none() | moments, doctor=doctors, comment=texts,
    services=st.lists(services, max_size=2).map(tuple),
)  # fmt: skip
diagnoses = st.builds(
    Diagnosis, code=texts, made=st.none() | moments, doctor=doctors, main=st.booleans(), comment=texts
)
codes = st.builds(Codes, **dict.fromkeys(Codes.__dataclass_fields__, codes_))
cases = st.builds(
    Case, id=ids, number=texts, opened=st.none() | moments, closed=st.none() | moments, patient=patients,
    doctor=doctors, codes=codes, visits=st.lists(visits, max_size=2).map(tuple),
    diagnoses=st.lists(diagnoses, max_size=2).map(tuple),
    conclusion=texts, first=st.none() | st.booleans(),
)  # fmt: skip
