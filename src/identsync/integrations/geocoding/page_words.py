"""The words of the page for what geocoding tells."""

from collections.abc import Mapping

from identsync.integrations.geocoding.place import Precision


def _(text: str) -> str:
    return text


LEVELS: Mapping[int, str] = {
    Precision.HOUSE: _("дом найден"),
    Precision.NEAR: _("соседний дом"),
    Precision.STREET: _("только улица"),
    Precision.DISTRICT: _("только район"),
    Precision.LOCALITY: _("только населённый пункт"),
    Precision.NONE: _("не найден"),
}
KINDS: Mapping[int, str] = {
    Precision.HOUSE: "ok",
    Precision.NEAR: "ok",
    Precision.STREET: "info",
    Precision.DISTRICT: "warn",
    Precision.LOCALITY: "warn",
    Precision.NONE: "bad",
}
PERSON = _("указал человек")
