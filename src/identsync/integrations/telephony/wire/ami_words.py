"""What Asterisk says of a call that it was told to make, in words for people: message keys."""


def _(text: str) -> str:
    return text


BAD_EXTENSION = _("у телефона сотрудника странный внутренний номер: поправьте его на странице")
BAD_NUMBER = _("по такому номеру позвонить нельзя")
NO_PHONE = _("телефон сотрудника не подключён к АТС")
NOBODY = _("сотрудник не снял трубку своего телефона")
BUSY = _("телефон сотрудника занят")
HUNG_UP = _("на телефоне сотрудника сбросили вызов")
NO_LINE = _("АТС не смогла соединиться с телефоном сотрудника")
NOT_TAKEN = _("АТС не приняла приказ позвонить")
NO_ANSWER = _("АТС не ответила: звонок мог начаться")
GOING_ON = _("такой звонок уже идёт")
LIVE_ONLY = _(
    "Звонки видны, пока программа слышит АТС: те, что прошли, когда не работал ни один клиент, в журнал не попадут"
)

FAILURES = {"0": NO_PHONE, "1": HUNG_UP, "3": NOBODY, "5": BUSY, "8": NO_LINE}
"""By the Reason of OriginateResponse; 1, 5 and 8 have not been seen on a real one yet."""
