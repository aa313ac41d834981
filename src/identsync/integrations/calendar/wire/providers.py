"""What cannot be found by asking: where a provider's CalDAV is, which of its hosts are one, what password it wants.

Sources: facts/calendar.md A3 (Yandex: SRV and well-known lead to hosts that do not speak DAV, so the host is fixed;
iCloud: a shard host per account, app-specific passwords only); nextcloud.com, "Calendar synchronization".
"""

from dataclasses import dataclass

from identsync.language import _


@dataclass(frozen=True, slots=True)
class Provider:
    """Domains of mail addresses, where its CalDAV starts, the domain whose hosts may all see the password."""

    domains: frozenset[str]
    start: str
    trusted: str


_YANDEX = Provider(
    frozenset({"yandex.ru", "ya.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.uz", "narod.ru"}),
    "https://caldav.yandex.ru/",
    "yandex.ru",
)
_ICLOUD = Provider(frozenset({"icloud.com", "me.com", "mac.com"}), "https://caldav.icloud.com/", "icloud.com")
PROVIDERS = (_YANDEX, _ICLOUD)


def provider_of(host: str) -> Provider | None:
    """Return the provider of a mail domain or of a host."""
    for provider in PROVIDERS:
        if host in provider.domains or within(host, provider.trusted):
            return provider
    return None


def within(host: str, domain: str) -> bool:
    """Say whether a host is the domain or below it."""
    return host == domain or host.endswith("." + domain)


def advice(host: str) -> str:
    """Say what a person does when this host refuses the password."""
    provider = provider_of(host)
    if provider is _YANDEX:
        return _(
            "Нужен пароль приложения «Календарь», а не пароль от почты: id.yandex.ru, «Безопасность», "
            "«Пароли приложений». Новый начинает действовать не сразу."
        )
    if provider is _ICLOUD:
        return _(
            "Нужен пароль приложения, а не пароль Apple: account.apple.com, «Вход и безопасность», "
            "«Пароли приложений». Имя — адрес учётной записи Apple целиком."
        )
    return _(
        "Проверьте имя и пароль. Если вход на сервер подтверждают телефоном, нужен пароль приложения "
        "(Nextcloud: «Настройки», «Безопасность», «Создать новый пароль приложения»)."
    )
