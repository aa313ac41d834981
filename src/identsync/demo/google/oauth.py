"""Google's OAuth: the consent page, codes with PKCE, device codes, refresh, revocation (RFC 6749, 7636, 8628, 7009)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from identsync.demo.google.options import APP_CREATED
from identsync.demo.google.reply import OAuthRefusal, Refusal, Reply, json, page

if TYPE_CHECKING:
    from identsync.demo.google.cloud import Cloud

_CODE_MS = 600_000
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

Form = Mapping[str, str]


@dataclass(slots=True)
class Who:
    """For whom a token speaks."""

    user: str
    client: str
    scope: str
    until_ms: int = 0
    family: str = ""  # the refresh token it came from


@dataclass(slots=True)
class Code:
    """An authorization code on its way."""

    who: Who
    redirect: str
    challenge: str
    used: str = ""  # the refresh token it was changed for


@dataclass(slots=True)
class Pending:
    """A device code on its way; ``answer``: '' = nobody has typed it yet."""

    who: Who
    user_code: str
    next_ms: int
    interval_ms: int
    answer: str = ""


class OAuth:
    """Every code and token of this Google."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._codes: dict[str, Code] = {}
        self._devices: dict[str, Pending] = {}
        self._access: dict[str, Who] = {}
        self._refresh: dict[str, Who] = {}
        self.refreshes = 0

    # -- for the API ---------------------------------------------------------------------------------------------

    def whose(self, headers: Mapping[str, str]) -> Who:
        """Return for whom a request speaks; Refusal 401 without a token that is good."""
        scheme, _space, token = headers.get("authorization", "").partition(" ")
        who = self._access.get(token) if scheme.lower() == "bearer" else None
        if who is None or who.until_ms <= self._cloud.now_ms or who.family not in self._refresh:
            raise Refusal(401, "authError", "Invalid Credentials", location="Authorization")
        if APP_CREATED not in who.scope.split():
            raise Refusal(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
        return who

    # -- the browser ---------------------------------------------------------------------------------------------

    def consent(self, query: Form) -> Reply:
        """Answer the consent page: sent back at once as the options say, or a page with two buttons."""
        redirect = urlsplit(query.get("redirect_uri", ""))
        if query.get("client_id") != self._cloud.options.client_id:
            return page("Error 401: invalid_client", 401)
        if redirect.scheme != "http" or redirect.hostname not in {"127.0.0.1", "localhost", "::1"}:
            return page("Error 400: redirect_uri_mismatch", 400)
        if query.get("response_type") != "code" or not query.get("scope"):
            return page("Error 400: invalid_request", 400)
        if query.get("code_challenge") and query.get("code_challenge_method") != "S256":
            return page("Error 400: invalid_request (code_challenge_method)", 400)
        if self._cloud.options.consent == "page":
            there = {word: urlencode({**query, "answer": word}) for word in ("allow", "deny")}
            links = " ".join(f'<a id="{word}" href="/consent?{link}">{word}</a>' for word, link in there.items())
            return page(links.replace("&", "&amp;"))
        return self.answered(query, self._cloud.options.consent)

    def answered(self, query: Form, answer: str) -> Reply:
        """Send the browser back to the app with a code, or with an error."""
        back = {"state": query["state"]} if "state" in query else {}
        if answer == "deny":
            back |= {"error": "access_denied"}
        else:
            scope = "openid" if answer == "untick" else query["scope"]
            who = Who(query.get("login_hint", "doctor@example.com"), query["client_id"], scope)
            who.until_ms = self._cloud.now_ms + _CODE_MS
            code = f"4/{secrets.token_urlsafe(24)}"
            self._codes[code] = Code(who, query["redirect_uri"], query.get("code_challenge", ""))
            back |= {"code": code, "scope": scope}
        separator = "&" if "?" in query["redirect_uri"] else "?"
        return Reply(302, headers=[("Location", query["redirect_uri"] + separator + urlencode(back))])

    # -- the endpoints -------------------------------------------------------------------------------------------

    def token(self, form: Form) -> Reply:
        """Answer the token endpoint."""
        self._client(form)
        kinds = {
            "authorization_code": self._by_code,
            "refresh_token": self._by_refresh,
            _DEVICE_GRANT: self._by_device,
        }
        kind = kinds.get(form.get("grant_type", ""))
        if kind is None:
            raise OAuthRefusal(400, "unsupported_grant_type", "Invalid grant_type")
        return json(kind(form))

    def device(self, form: Form) -> Reply:
        """Answer the endpoint for device codes."""
        if form.get("client_id") != self._cloud.options.client_id:
            raise OAuthRefusal(401, "invalid_client", "The OAuth client was not found.")
        scope, options = form.get("scope", ""), self._cloud.options
        if not scope or set(scope.split()) - set(options.device_scopes):
            raise OAuthRefusal(400, "invalid_scope", f"Invalid device flow scope: {scope[:80]}")
        code = secrets.token_urlsafe(24)
        who = Who("doctor@example.com", form["client_id"], scope, self._cloud.now_ms + options.device_lifetime * 1000)
        interval = options.device_interval * 1000
        pending = Pending(who, secrets.token_hex(4).upper(), self._cloud.now_ms + interval, interval)
        self._devices[code] = pending
        told = {"device_code": code, "user_code": pending.user_code, "interval": options.device_interval}
        return json(told | {"verification_url": "https://www.google.com/device", "expires_in": options.device_lifetime})

    def revoke(self, form: Form) -> Reply:
        """Forget a grant by its access or refresh token."""
        token = form.get("token", "")
        family = self._access[token].family if token in self._access else token
        if self._refresh.pop(family, None) is None:
            raise OAuthRefusal(400, "invalid_token", "Token expired or revoked")
        return json({})

    # -- for people and tests ------------------------------------------------------------------------------------

    def type_code(self, user_code: str, answer: str) -> None:
        """A person types a device code and allows or denies."""
        for pending in self._devices.values():
            if pending.user_code == user_code:
                pending.answer = answer
                return
        raise ValueError("no such code")

    def grant(self, user: str, scope: str) -> str:
        """Return a refresh token as if a person had consented."""
        token: str = self._granted(Who(user, self._cloud.options.client_id, scope))["refresh_token"]
        return token

    def expire_access(self) -> int:
        """Let every access token expire now."""
        for who in self._access.values():
            who.until_ms = 0
        return len(self._access)

    def forget(self, user: str) -> int:
        """The person withdraws the app's access: every refresh token of his is dead."""
        mine = [token for token, who in self._refresh.items() if who.user == user]
        for token in mine:
            del self._refresh[token]
        return len(mine)

    def _client(self, form: Form) -> None:
        options = self._cloud.options
        if form.get("client_id") != options.client_id:
            raise OAuthRefusal(401, "invalid_client", "The OAuth client was not found.")
        if not hmac.compare_digest(form.get("client_secret", "").encode(), options.client_secret.encode()):
            raise OAuthRefusal(401, "invalid_client", "Unauthorized")

    def _by_code(self, form: Form) -> dict[str, Any]:
        code = self._codes.get(form.get("code", ""))
        if code is None or code.who.until_ms <= self._cloud.now_ms:
            raise OAuthRefusal(400, "invalid_grant", "Malformed auth code.")
        if code.used:
            self._refresh.pop(code.used, None)  # a code used twice: whatever it was changed for is withdrawn
            raise OAuthRefusal(400, "invalid_grant", "Code was already redeemed.")
        if form.get("redirect_uri") != code.redirect:
            raise OAuthRefusal(400, "redirect_uri_mismatch", "Bad Request")
        if code.challenge and not hmac.compare_digest(_challenge(form.get("code_verifier", "")), code.challenge):
            raise OAuthRefusal(400, "invalid_grant", "Invalid code verifier.")
        told = self._granted(Who(code.who.user, code.who.client, code.who.scope))
        code.used = told["refresh_token"]
        return told

    def _by_refresh(self, form: Form) -> dict[str, Any]:
        who = self._refresh.get(form.get("refresh_token", ""))
        if who is None:
            raise OAuthRefusal(400, "invalid_grant", "Token has been expired or revoked.")
        self.refreshes += 1
        return self._access_for(who, form["refresh_token"])

    def _by_device(self, form: Form) -> dict[str, Any]:
        pending = self._devices.get(form.get("device_code", ""))
        now = self._cloud.now_ms
        if pending is None:
            raise OAuthRefusal(400, "invalid_grant", "Malformed device code.")
        if pending.who.until_ms <= now:
            raise OAuthRefusal(400, "expired_token")
        early, pending.next_ms = now < pending.next_ms, now + pending.interval_ms
        if early:
            pending.interval_ms += 5000
            raise OAuthRefusal(403, "slow_down", "Forbidden")
        if pending.answer == "deny":
            raise OAuthRefusal(403, "access_denied", "Forbidden")
        if not pending.answer:
            raise OAuthRefusal(428, "authorization_pending", "Precondition Required")
        del self._devices[form["device_code"]]
        return self._granted(pending.who)

    def _granted(self, who: Who) -> dict[str, Any]:
        refresh = f"1//{secrets.token_urlsafe(32)}"
        self._refresh[refresh] = who
        return self._access_for(who, refresh) | {"refresh_token": refresh}

    def _access_for(self, who: Who, family: str) -> dict[str, Any]:
        token, lifetime = f"ya29.{secrets.token_urlsafe(32)}", self._cloud.options.access_lifetime
        self._access[token] = Who(who.user, who.client, who.scope, self._cloud.now_ms + lifetime * 1000, family)
        return {"access_token": token, "expires_in": lifetime, "scope": who.scope, "token_type": "Bearer"}


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
