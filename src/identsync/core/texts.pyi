r"""The text of an SMS: which alphabet it needs, how many units and segments, and the octets of each segment.

The GSM alphabet is that of 3GPP TS 23.038 with its extension table (``^{}\[~]|€`` and form feed, two septets each); a
text with any other character goes as UTF-16. A lone surrogate becomes U+FFFD. An empty text is one segment of nothing.
Everything here raises TypeError for what is no text and ValueError for one of more than LONGEST characters.
"""

from typing import Literal

LONGEST: int
"""Characters of the longest text that is looked at."""

def measure(text: str) -> tuple[Literal["gsm", "ucs2"], int, int]:
    """Return (alphabet, units, segments): septets, 160 or 153 a segment; UTF-16 units, 70 or 67 a segment.

    Segments are counted as ``split`` cuts them, also beyond 255.
    """

def split(text: str) -> tuple[Literal[0, 8], list[bytes]]:
    """Return (data_coding, user data of each segment without a header); never cut inside an escape or surrogate pair.

    data_coding 0: GSM septets, one an octet; 8: UTF-16 BE. ValueError for more than 255 segments.
    """

def encode(text: str) -> tuple[Literal[0, 8], bytes]:
    """Return (data_coding, user data of the whole text), for message_payload."""

def decode_gsm(data: bytes) -> str:
    """Read GSM septets, one an octet; what is none becomes U+FFFD, an escape of nothing a space.

    An escape before a code that the extension table has not is left out, as the standard says. ValueError for more
    than 2 x LONGEST octets.
    """
