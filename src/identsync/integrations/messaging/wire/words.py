"""What SMS gateways say, in words for people: message keys, translated where they are shown."""


def _(text: str) -> str:
    return text


BAD_NUMBER = _("номер не принимается шлюзом")
BAD_TEXT = _("текст или имя отправителя не принимаются шлюзом")
NOT_LIKED = _("шлюз не принял сообщение")
ON_STOP_LIST = _("номер в стоп-листе шлюза")
DAY_LIMIT = _("шлюз больше не отправляет на этот номер сегодня")
REPEATED = _("шлюз считает это повтором: первое сообщение могло уйти")
BUSY = _("шлюз просит повторить позже")
NOT_DELIVERED = _("не доставлено")
UNREACHABLE = _("телефон недоступен или выключен")
FORBIDDEN = _("доставка на этот номер запрещена")
REJECTED = _("оператор отказал в доставке")
NO_MONEY = _("на счёте шлюза не хватило денег")
ODD = _("шлюз ответил непонятно")
