"""A recording: a short tone, whose pitch tells one call from another."""

import io
import math
import wave
from functools import cache

RATE = 8_000


@cache
def tone(number: int, seconds: float = 0.5) -> bytes:
    """Return a WAV: mono, 8 bits, 8 kHz; the same for the same number."""
    pitch = 300 + 40 * (number % 20)
    samples = bytes(
        round(127.5 + 90 * math.sin(2 * math.pi * pitch * at / RATE)) for at in range(round(RATE * seconds))
    )
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(1)
        writer.setframerate(RATE)
        writer.writeframes(samples)
    return file.getvalue()
