"""Sentences for people that several cloud PBXs share: why no call was made, what is wrong with a row."""


def _(sentence: str) -> str:
    return sentence  # marked for the page's catalogue: a reason is told in the reader's language


NO_EXTENSION = _("у АТС нет такого внутреннего номера")
BAD_NUMBER = _("АТС не звонит на такой номер")
FORBIDDEN = _("настройки АТС не разрешают звонить по этому направлению")
NOBODY = _("никто не снял трубку")
BUSY = _("телефон занят")
NO_LINE = _("АТС не нашла, с какого номера звонить: проверьте number в настройках")
NOT_LIKED = _("АТС не приняла команду")
NO_MONEY = _("на счёте АТС кончились деньги")
ODD = _("АТС ответила непонятно: звонок мог начаться")
SLOWER = _("АТС просит обращаться реже")

NOT_A_ROW = _("это не звонок: вместо объекта пришло что-то другое")
NO_KEY = _("у звонка нет номера, по которому АТС его знает ({key})")
NO_START = _("непонятно, когда звонок начался ({key})")
NO_DIRECTION = _("непонятно, кто кому звонил ({key})")
