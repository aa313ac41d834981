"""Sealed passwords, and names that the other side sees: nobody without the key learns anything from either."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from identsync.errors import AskPerson
from identsync.integrations.calendar import seal as sealing
from identsync.integrations.calendar.connecting import mark_of
from identsync.integrations.calendar.event import Name
from identsync.integrations.calendar.seal import LEAST, opened, seal
from identsync.integrations.calendar.wanted import name_of

KEY, OTHER = "env:TEST_SEAL", "env:TEST_OTHER_SEAL"
SECRET = "пароль приложения"
# What the first release wrote of SECRET for doctor 7 of "yandex": whatever comes later must open it.
OLD = bytes.fromhex(
    "7365616c31277fa6b6109007ebeb5293e91e7327b58f4faf9443284e118dd94d10bbfbbb06e298da"
    "5b818520ce88192cab22f20cfef366797d6d4b1210f56225eb32"
)

texts = st.text(st.characters(codec="utf-8"), max_size=60)
doctors = st.integers(0, 2**31 - 1)
network_keys = st.binary(min_size=32, max_size=32)
ids = st.integers(0, 2**40)


@pytest.fixture(autouse=True, scope="module")
def keys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_SEAL", "длинный случайный ключ клиники")
        patch.setenv("TEST_OTHER_SEAL", "длинный случайный ключ другой клиники")
        patch.setenv("TEST_SHORT_SEAL", "x" * (LEAST - 1))
        yield


# -- seals -----------------------------------------------------------------------------------------------------------


@given(texts, texts, doctors)
def test_what_was_sealed_is_opened_and_is_not_to_be_read_before(value: str, destination: str, doctor: int) -> None:
    sealed = seal(KEY, destination, doctor, value)
    assert opened(KEY, destination, doctor, sealed) == value
    assert len(value) < 3 or value.encode() not in sealed


def test_two_seals_of_one_secret_have_nothing_in_common() -> None:
    every = [seal(KEY, "yandex", 7, SECRET).removeprefix(sealing.MAGIC) for _ in range(200)]
    assert len({one[:12] for one in every}) == 200, "a nonce that came twice would give the key away"
    assert len({one[12:] for one in every}) == 200


@given(texts, doctors, texts, doctors)
def test_it_opens_only_in_its_own_row(destination: str, doctor: int, elsewhere: str, another: int) -> None:
    assume((destination, doctor) != (elsewhere, another))
    sealed = seal(KEY, destination, doctor, SECRET)
    with pytest.raises(AskPerson):
        opened(KEY, elsewhere, another, sealed)


def test_another_key_opens_nothing_and_the_person_is_told_what_to_do() -> None:
    sealed = seal(KEY, "yandex", 7, SECRET)
    with pytest.raises(AskPerson) as told:
        opened(OTHER, "yandex", 7, sealed)
    assert OTHER in str(told.value)
    assert "одинаковым на всех компьютерах" in told.value.hint
    assert SECRET not in str(told.value) + told.value.hint


@given(st.data())
def test_a_damaged_seal_is_never_opened_as_something_else(data: st.DataObject) -> None:
    sealed = bytearray(seal(KEY, "yandex", 7, SECRET))
    if data.draw(st.booleans()):
        at = data.draw(st.integers(len(sealing.MAGIC), len(sealed) - 1))
        sealed[at] ^= data.draw(st.integers(1, 255))
    else:
        del sealed[data.draw(st.integers(0, len(sealed) - 1)) :]
    with pytest.raises(AskPerson):
        opened(KEY, "yandex", 7, bytes(sealed))


def test_every_computer_comes_to_the_same_key() -> None:
    sealed = seal(KEY, "yandex", 7, SECRET)
    code = "import sys; from identsync.integrations.calendar.seal import opened\n"
    code += f"sys.stdout.buffer.write(opened({KEY!r}, 'yandex', 7, bytes.fromhex({sealed.hex()!r})).encode())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode() == SECRET


def test_what_older_releases_have_sealed_is_opened() -> None:
    assert opened(KEY, "yandex", 7, OLD) == SECRET


@pytest.mark.parametrize("reference", ["env:TEST_SHORT_SEAL", "env:NOBODY_HAS_SET_THIS"])
def test_without_a_good_key_nothing_is_sealed(reference: str) -> None:
    with pytest.raises(AskPerson) as told:
        seal(reference, "yandex", 7, SECRET)
    assert reference in str(told.value)
    assert told.value.hint


# -- names that others see -------------------------------------------------------------------------------------------


@given(network_keys, ids, ids, st.integers(0, 3), ids)
def test_a_name_is_stable_and_differs_with_everything_it_is_made_of(
    key: bytes, scope: int, doctor: int, what: int, id_: int
) -> None:
    name = name_of(key, scope, doctor, what, id_)
    assert name == name_of(key, scope, doctor, what, id_)
    others = {
        name_of(bytes(32) if key != bytes(32) else bytes([1]) * 32, scope, doctor, what, id_),
        name_of(key, scope + 1, doctor, what, id_),
        name_of(key, scope, doctor + 1, what, id_),
        name_of(key, scope, doctor, (what + 1) % 4, id_),
        name_of(key, scope, doctor, what, id_ + 1),
    }
    assert len(others | {name}) == 6
    assert len(name) == 32
    assert set(name) <= set("0123456789abcdefghijklmnopqrstuv"), "it fits Google, files and addresses"


def test_names_of_today_are_those_of_the_first_release() -> None:
    """Another one would delete every event there is and write it anew."""
    key = bytes(range(32))
    assert name_of(key, 1, 7, 0, 12345) == "7pieo7j2mn4e7q3nv5tf7cspejjgsojj"
    assert mark_of(key, "google", 7) == "identsync-jn7gtnimufl1pmpu"


def test_nobody_who_lacks_the_key_can_try_the_numbers_out() -> None:
    """A plain hash of a visit's number would be found among some millions of numbers in seconds."""
    seen = {name_of(bytes(range(32)), 1, 7, 0, number) for number in range(2_000)}
    for key in (b"", bytes(32), b"calendar", hashlib.sha256(b"").digest()):
        assert not seen & {name_of(key, 1, 7, 0, number) for number in range(2_000)}


@given(network_keys, st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_generation_is_seen_in_the_name_and_stays_apart(key: bytes, first: int, second: int) -> None:
    name = name_of(key, 1, 7, 0, 5)
    assert (str(Name(name, first)) == str(Name(name, second))) is (first == second)
    assert str(Name(name, first)).startswith(name)
    assert str(Name(name)) == name, "the first has no suffix"
