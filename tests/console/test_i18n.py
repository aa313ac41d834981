"""Every sentence people see has its English one, with the same places to fill."""

import re

import polib
import pytest
from strings import PO, sentences, untranslated

from identsync.console.i18n import catalog, russian_form

PLACES = re.compile(r"\{(\w+)\}")


def test_every_sentence_of_templates_and_pages_is_translated() -> None:
    assert untranslated() == {}


def test_no_translation_outlives_its_sentence() -> None:
    known = sentences()
    assert [entry.msgid for entry in polib.pofile(str(PO)) if entry.msgid not in known] == []


def test_translations_fill_the_same_places_and_have_two_forms_for_a_plural() -> None:
    for entry in polib.pofile(str(PO)):
        assert set(PLACES.findall(entry.msgid)) == set(PLACES.findall(entry.msgstr)), entry.msgid
        assert entry.msgid.count("|") == 2 * entry.msgstr.count("|"), entry.msgid


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (0, "0 задач"),
        (1, "1 задача"),
        (2, "2 задачи"),
        (5, "5 задач"),
        (11, "11 задач"),
        (21, "21 задача"),
        (112, "112 задач"),
    ],
)
def test_russian_plurals(n: int, words: str) -> None:
    assert catalog("ru").plural(n, "{n} задача|{n} задачи|{n} задач") == words
    assert russian_form(-n) == russian_form(n)


def test_english_has_two_forms_and_unknown_sentences_stay_russian() -> None:
    english = catalog("en")
    assert english.plural(1, "{n} задача|{n} задачи|{n} задач") == "1 task"
    assert english.plural(2, "{n} задача|{n} задачи|{n} задач") == "2 tasks"
    assert english("Такого предложения нет") == "Такого предложения нет"
    assert english.say("Расписание: zoon") == "Timetable: zoon"
    assert catalog("de") is not english
