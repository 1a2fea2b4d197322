"""The door: who may speak to the API, under which name, and what browsers may do with its pages."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.api.config import ApiConfig
from streams.api.keys import Keyring, is_loopback
from streams.api.problems import problem

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# What holds no data is open, so that a page can ask for a key and a supervisor can see that the process lives.
OPEN_PATHS = ("/static/", "/healthz", "/readyz", "/favicon.ico")
OPEN_PAGES = frozenset({"/", "/unit", "/alarms", "/jobs"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI middleware: checks Host (against DNS rebinding), Origin (against other sites' pages) and the API key."""

    def __init__(self, app: ASGIApp, config: ApiConfig, keys: Keyring) -> None:
        self._app = app
        self._keys = keys
        self._names: frozenset[str] | None = None
        if is_loopback(config.host):
            self._names = LOOPBACK_NAMES | {
                config.host.strip("[]").lower(),
                *(name.lower() for name in config.allowed_hosts),
            }
        elif config.allowed_hosts:
            self._names = frozenset(name.lower() for name in config.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refuse(scope)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refuse(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = _name_of(host)
        if self._names is not None and name not in self._names:
            return problem(
                421, f"expected to be addressed as one of {', '.join(sorted(self._names))}, received {host[:80]!r}"
            )
        if scope["method"] not in SAFE_METHODS and not _same_origin(headers, host):
            return problem(403, f"a page of {headers.get('origin', 'another site')[:80]!r} may not write here")
        path = scope["path"]
        if not len(self._keys) or path in OPEN_PAGES or path.startswith(OPEN_PATHS):
            return None
        scheme, _, key = headers.get("authorization", "").partition(" ")
        owner = self._keys.owner_of(key.strip()) if scheme.lower() == "bearer" else None
        if owner is None:
            return problem(
                401,
                "expected a known API key, as `Authorization: Bearer tw_...`; ask whoever runs this service",
                {"WWW-Authenticate": 'Bearer realm="twinstream"'},
            )
        scope.setdefault("state", {})["owner"] = owner
        return None


def _name_of(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _same_origin(headers: Headers, host: str) -> bool:
    """Programs send no Origin; a browser's page must be ours."""
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() == host.lower() if _is_url(origin) else False
    return headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def _is_url(text: str) -> bool:
    try:
        return urlsplit(text).scheme in ("http", "https")
    except ValueError:
        return False
