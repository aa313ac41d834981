"""What of a clinic's text can stand in a calendar: anything else would come back changed, or break a reader."""

import re

_HARMFUL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def clean(text: str) -> str:
    """Give ``text`` as calendars keep it: lines end in LF, no control characters, only what UTF-8 and XML can hold.

    A tab becomes a space, other controls go, a lone surrogate or a noncharacter becomes U+FFFD, white space around it
    goes. What is clean stays as it is.
    """
    if _HARMFUL.search(text):
        text = _HARMFUL.sub(_harmless, _LINE_ENDS.sub("\n", text))
    return text.strip()


def _harmless(found: re.Match[str]) -> str:
    if (character := found.group()) == "\t":
        return " "
    return "\ufffd" if "\ud800" <= character <= "\udfff" or character in "\ufffe\uffff" else ""
