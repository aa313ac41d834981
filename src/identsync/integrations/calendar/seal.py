"""Passwords and refresh tokens of doctors' own accounts, sealed in the network's database.

Any administrator's computer must be able to do the work, so they cannot lie in one computer's vault. They are sealed by
AES-256-GCM under a key that only the computers have (``seal`` in the settings, kept in each one's vault), stretched by
scrypt. Each is bound to its destination and doctor: put into another row it does not open.
"""

import functools
import hashlib
import secrets

from identsync.errors import AskPerson
from identsync.language import keyed as _
from identsync.values import secret

MAGIC = b"seal1"
_NONCE = 12
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}
LEAST = 16  # characters of the key: shorter ones are guessed


def seal(reference: str, destination: str, doctor: int, value: str) -> bytes:
    """Return the value as it may lie in the database; AskPerson where the key is missing or too short."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE)
    return MAGIC + nonce + AESGCM(_key(reference)).encrypt(nonce, value.encode(), _bound(destination, doctor))


def opened(reference: str, destination: str, doctor: int, sealed: bytes) -> str:
    """Return what seal() was given; AskPerson where this computer's key is not the one it was sealed with."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    content = sealed.removeprefix(MAGIC)
    nonce, content = content[:_NONCE], content[_NONCE:]
    try:
        return AESGCM(_key(reference)).decrypt(nonce, content, _bound(destination, doctor)).decode()
    except (InvalidTag, ValueError):
        words = _("пароль врача {doctor} запечатан другим ключом", doctor=doctor)
        hint = _("ключ seal должен быть одинаковым на всех компьютерах; или подключите календарь заново")
        raise AskPerson(_("{where}: {what}", where=reference, what=words), hint=hint) from None


def _bound(destination: str, doctor: int) -> bytes:
    return f"identsync calendar {destination} {doctor}".encode()


def _key(reference: str) -> bytes:
    value = secret(reference)
    if len(value) < LEAST:
        words = _("ключ слишком короткий: нужно не меньше {n} знаков", n=LEAST)
        hint = _("запишите длинный случайный: identsync secret set")
        raise AskPerson(_("{where}: {what}", where=reference, what=words), hint=hint)
    return _stretched(value)


@functools.lru_cache(maxsize=4)
def _stretched(value: str) -> bytes:
    # The salt is the same on all computers on purpose: they must come to the same key.
    return hashlib.scrypt(value.encode(), salt=b"identsync calendar seal", dklen=32, **_SCRYPT)
