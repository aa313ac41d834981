"""Over any case: rules always end in lines that can be read; digests are the same for the same, and see every field."""

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from identsync.console.i18n import catalog
from identsync.core.columns import Columns
from identsync.integrations.egisz.case import Case
from identsync.integrations.egisz.digest import Digests, key
from identsync.integrations.egisz.rules_table import RULES, gathered, words

from .rules_cases import (
    CARIES,
    CASE,
    DAY,
    FILLING,
    MOTHER,
    NO_BOOKS,
    OTHER,
    PATIENT,
    VISIT,
    rules,
)
from .rules_strategies import cases
from .test_rules import SPOILT

WHOLE = replace(CASE, patient=replace(PATIENT, guardian=MOTHER))


def digest(case: Case, digests: Digests | None = None) -> tuple[int, int]:
    """Give the digests of all that N3 sees of a case: of itself and of its patient's card."""
    told = digests or Digests()
    return told.of_care(case), told.of_patient(case.patient)


@given(cases)
def test_whatever_a_clinic_writes_ends_in_lines_that_can_be_read(case: Case) -> None:
    told = catalog("ru")
    for judged in (rules(), rules(NO_BOOKS)):
        found = judged.missing(case)
        assert len(set(found)) == len(found)
        for one in found:
            words(one, told)
            assert one.rule in RULES
        assert judged.missing(case) == found  # what is kept of a doctor or a patient changes nothing
        assert len(gathered({"": found})) <= len(found)
    assert all(-(2**63) <= each < 2**63 for each in digest(case))


@given(cases, cases)
def test_cases_do_not_color_each_other(one: Case, other: Case) -> None:
    both, digests = rules(), Digests()
    assert [both.missing(one), both.missing(other)] == [rules().missing(one), rules().missing(other)]
    assert [digest(one, digests), digest(other, digests)] == [digest(one), digest(other)]


@given(st.permutations(sorted(SPOILT)))
def test_faults_of_different_places_add_up(names: list[str]) -> None:
    """Spoil a case in as many ways as do not overlap; its key and its dates stay, the other lines rest on them."""
    case, wanted, taken = CASE, set[tuple[str, str]](), {"id", "opened", "closed"}
    for name in names:
        spoilt, rule, who = SPOILT[name]
        changed = {field.name for field in fields(CASE) if getattr(spoilt, field.name) != getattr(CASE, field.name)}
        if not changed & taken:
            taken |= changed
            case = replace(case, **{field: getattr(spoilt, field) for field in changed})
            wanted.add((rule, who))
    assert len(wanted) >= 5
    assert wanted <= {(one.rule, one.who) for one in rules().missing(case)}


def _leaves(held: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if is_dataclass(held):
        return [leaf for field in fields(held) for leaf in _leaves(getattr(held, field.name), (*path, field.name))]
    if isinstance(held, tuple):
        return [leaf for at, each in enumerate(held) for leaf in _leaves(each, (*path, at))]
    return [path]


def _changed(held: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return _other(held)
    name, *rest = path
    if isinstance(held, tuple):
        return (*held[:name], _changed(held[name], tuple(rest)), *held[name + 1 :])
    return replace(held, **{name: _changed(getattr(held, name), tuple(rest))})


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + "1"
        case None:
            return 7
        case _:
            return value + timedelta(days=1)


def test_a_change_of_any_field_is_another_digest() -> None:
    leaves = _leaves(WHOLE)
    assert len(leaves) > 60
    assert len({digest(WHOLE)} | {digest(_changed(WHOLE, path)) for path in leaves}) == len(leaves) + 1


def test_what_goes_out_the_same_is_the_same_digest() -> None:
    spelled = replace(PATIENT, person=replace(PATIENT.person, snils="112-233-445 95"))
    assert digest(replace(CASE, patient=spelled)) == digest(CASE)
    elsewhere = replace(CASE, opened=DAY.astimezone(UTC))
    assert digest(elsewhere) == digest(CASE)


def test_a_patients_phone_is_no_news_of_the_case_itself() -> None:
    digests, moved = Digests(), replace(CASE, patient=replace(PATIENT, phone="+79450000002"))
    assert digests.of_care(moved) == digests.of_care(CASE)
    assert digests.of_patient(moved.patient) != digests.of_patient(PATIENT)
    guarded = replace(CASE, patient=replace(PATIENT, guardian=MOTHER))
    assert digests.of_care(guarded) != digests.of_care(CASE)


def test_digests_are_the_same_for_ever() -> None:
    """Another number here sends every case of every clinic once more: change it only with ``VERSION``."""
    told = *digest(WHOLE), Digests().of_visit(VISIT, CASE.codes), key("c-1")
    assert told == (1465280805586323034, 7091855962616359144, 4499401549749448661, 8417019380747416437)


def test_digests_of_texts_that_no_wire_carries() -> None:
    broken = [replace(CASE, conclusion=text) for text in ("\ud83d", "\ud83e", "\\ud83d")]
    assert len({digest(case) for case in broken}) == 3


def test_order_of_visits_services_and_diagnoses_counts() -> None:
    two = (VISIT, replace(VISIT, id="v-2", doctor=OTHER, services=(FILLING,)))
    assert digest(replace(CASE, visits=two)) != digest(replace(CASE, visits=two[::-1]))
    more = (CARIES, replace(CARIES, code="K04.0", main=False))
    assert digest(replace(CASE, diagnoses=more)) != digest(replace(CASE, diagnoses=more[::-1]))


def test_planning_finds_what_changed() -> None:
    many = [replace(CASE, id=f"c-{n}") for n in range(50)]
    digests = Digests()
    old = Columns.from_rows([(key(case.id), digests.of_care(case)) for case in many])
    many[7] = replace(many[7], conclusion="Иначе")
    new = Columns.from_rows([(key(case.id), digests.of_care(case)) for case in many[1:]])
    changes = old.difference(new)
    assert (list(changes.changed), list(changes.removed)) == ([key("c-7")], [key("c-0")])


def test_the_end_of_the_calendar_is_a_day_like_any() -> None:
    last = datetime(9999, 12, 31, tzinfo=UTC)
    found = rules().missing(replace(CASE, closed=last))
    assert [one.rule for one in found] == ["case.future"]
