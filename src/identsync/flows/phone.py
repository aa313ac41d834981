"""A telephone number that can be called, as E.164; phonenumbers is imported where the first one is read."""


def callable_number(text: str, region: str | None) -> str | None:
    """Return a number as E.164, None where it is none that could exist; without '+' it is read as one of ``region``."""
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
