"""Access to a Google account: an access token for now, made of the refresh token a doctor has granted.

Access tokens live in memory only. Nothing of a token, of the client's secret or of a code stands in an error or a log:
an answer of the token endpoint is told by its error code alone. How a refresh token is had: ``google_consent.py``.
Source: developers.google.com/identity/protocols/oauth2/native-app, RFC 6749, RFC 7009.
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from identsync.errors import IdentsyncError, Limited, Refused, Unexpected
from identsync.flows.answer import Reply, retry_after
from identsync.language import keyed as _

if TYPE_CHECKING:
    from identsync.flows.http import Http

MARGIN = 60.0  # seconds before its end from which a token is no longer used: a request may wait for its permit
_LEAST_LIFE = 1.0
_ERROR = re.compile(r"[a-z_]{1,40}")
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_PASSING = frozenset(range(400, 500)) - {408}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where Google's OAuth lives."""

    consent: str = "https://accounts.google.com/o/oauth2/v2/auth"
    token: str = "https://oauth2.googleapis.com/token"  # noqa: S105  an address
    device: str = "https://oauth2.googleapis.com/device/code"
    revoke: str = "https://oauth2.googleapis.com/revoke"


GOOGLE = Endpoints()


@dataclass(frozen=True, slots=True)
class App:
    """The OAuth client of type "Desktop app" as Google Cloud names it; a desktop client's secret is none to Google."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person has granted: the refresh token to be kept, an access token for now, and the scopes."""

    refresh_token: str = field(repr=False)
    access_token: str = field(repr=False)
    lifetime: float
    scopes: frozenset[str]


class Access:
    """Access tokens of one account. Concurrent users share one refresh; what was refused once is not asked again."""

    def __init__(
        self,
        http: "Http",
        app: App,
        refresh_token: str,
        *,
        endpoints: Endpoints = GOOGLE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._app = app
        self._refresh_token = refresh_token
        self._endpoints = endpoints
        self._clock = clock
        self._lock = asyncio.Lock()
        self._attempts = 0
        self._token = ""
        self._until = 0.0
        self._failure: IdentsyncError | None = None

    async def token(self) -> str:
        """Return a token that is good for now; Refused where Google no longer takes the refresh token."""
        if self._token and self._clock() < self._until:
            return self._token
        return await self._refreshed()

    async def renewed(self, refused: str) -> str:
        """Return another token than ``refused``, which Google did not take."""
        if self._token == refused:
            self._until = 0.0
        return await self.token()

    async def revoke(self) -> None:
        """Tell Google to forget the grant; one it does not know is as good as forgotten."""
        body = urlencode({"token": self._refresh_token}).encode()
        reply = await self._http.ask("POST", self._endpoints.revoke, _FORM, body, passing=_PASSING)
        self._token, self._failure = "", error_of("invalid_grant", reply)
        if reply.status != 200 and code_of(reply) not in {"invalid_token", "invalid_grant"}:
            raise error_of(code_of(reply), reply)

    async def _refreshed(self) -> str:
        """Refresh, or take the outcome of the refresh that was under way meanwhile."""
        seen = self._attempts
        async with self._lock:
            if self._attempts == seen and not isinstance(self._failure, Refused):
                await self._attempt()
        if self._failure is not None:
            raise self._failure
        return self._token

    async def _attempt(self) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        try:
            told = await ask_tokens(self._http, self._endpoints, self._app, form)
            self._token, lifetime = token_of(told), lifetime_of(told)
        except IdentsyncError as error:
            self._token, self._failure = "", error
        else:
            self._failure = None
            self._until = self._clock() + max(lifetime - MARGIN, _LEAST_LIFE)
        self._attempts += 1


async def ask_tokens(http: "Http", endpoints: Endpoints, app: App, form: Mapping[str, str]) -> Mapping[str, Any]:
    """Ask the token endpoint; returns its answer, raises what its error means."""
    reply = await post_form(http, endpoints.token, app, form)
    if reply.status != 200:
        raise error_of(code_of(reply), reply)
    return object_of(reply)


async def post_form(http: "Http", url: str, app: App, form: Mapping[str, str]) -> Reply:
    """Post a form with the client's id and secret; an answer with an error is an answer."""
    body = urlencode({"client_id": app.id, "client_secret": app.secret, **form}).encode()
    return await http.ask("POST", url, _FORM, body, passing=_PASSING)


def grant_of(told: Mapping[str, Any], scope: str) -> Grant:
    """Read what was granted; Refused where the person unticked ``scope`` or Google gave no refresh token."""
    scopes = frozenset(str(told.get("scope", "")).split())
    if scope not in scopes:
        hint = _("Начните заново и на странице Google оставьте галочку доступа к календарю.")
        raise Refused(_("доступ к календарю не дан"), hint=hint)
    refresh = told.get("refresh_token")
    if not isinstance(refresh, str) or not refresh:
        hint = _("Откройте myaccount.google.com/permissions, удалите там доступ программы и начните заново.")
        raise Refused(_("Google не дал постоянного доступа"), hint=hint)
    return Grant(refresh, token_of(told), lifetime_of(told), scopes)


def token_of(told: Mapping[str, Any]) -> str:
    """Return the access token of an answer; Unexpected where there is none."""
    token = told.get("access_token")
    if not isinstance(token, str) or not token:
        raise Unexpected(_("Google не прислал ключа доступа"))
    return token


def lifetime_of(told: Mapping[str, Any]) -> float:
    """Return how many seconds a token lives; none are promised where Google does not say."""
    seconds = told.get("expires_in")
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def object_of(reply: Reply) -> Mapping[str, Any]:
    """Return the object of an answer; Unexpected without a word of what came: it may hold a token."""
    try:
        told = reply.json
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Unexpected(_("вместо ответа Google о доступе пришло что-то другое"))
    return told


def code_of(reply: Reply) -> str:
    """Return the error code of an answer, '?' where it names none."""
    try:
        told = reply.json
    except ValueError:
        return "?"
    code = told.get("error", told.get("error_code")) if isinstance(told, dict) else None
    return code if isinstance(code, str) and _ERROR.fullmatch(code) else "?"


def error_of(code: str, reply: Reply) -> IdentsyncError:
    """Return what an error code of OAuth means for people."""
    if reply.status == 429 or code in {"rate_limit_exceeded", "slow_down", "quota_exceeded"}:
        return Limited(_("Google просит обращаться реже ({codes})", codes=code), after_ms=retry_after(reply.headers))
    words, hint = _words(code)
    return Refused(_("{what} ({code})", what=words, code=code), hint=hint)


def _words(code: str) -> tuple[str, str]:
    if code == "invalid_grant":
        hint = _(
            "Подключите календарь врача заново. Если доступ пропадает каждые 7 дней, приложение в Google Cloud "
            "осталось в состоянии Testing: переведите его в Production. Пропадает он и когда врач его отозвал."
        )
        return _("Google больше не принимает доступ, который дал врач"), hint
    if code in {"invalid_client", "unauthorized_client", "deleted_client", "disabled_client"}:
        return _("Google не узнаёт приложение"), _("Проверьте id и секрет приложения (тип Desktop app) в настройках.")
    if code == "access_denied":
        return _("на странице Google доступ не разрешили"), _("Начните заново и разрешите доступ к календарю.")
    if code in {"admin_policy_enforced", "org_internal"}:
        return _("доступ запрещён администратором домена Google"), _("Попросите его разрешить это приложение.")
    if code == "invalid_scope":
        hint = _("Google не даёт доступа к календарю по коду устройства: подключайте через браузер на этом компьютере.")
        return _("Google не даёт такого доступа этим способом"), hint
    return _("Google отказал в доступе"), _("Подключите календарь врача заново.")
