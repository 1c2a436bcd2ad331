"""Who is calling: API-key signatures, bearer tokens and admin sessions, checked as Core checks them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sqlite3
import time
from dataclasses import dataclass
from typing import Literal

import jwt
from fastapi import Request

from demo.cytomine.refusals import FilterCrash, Forbidden, Unauthorized
from demo.cytomine.store import password_fits

SignatureForm = Literal["full", "short"]
"""``full`` signs the path and the query too (Community Edition 2025.1), ``short`` does not (2026)."""

_SESSION_S = 24 * 3600
_SHORT_TERM_S = 300
_ADMIN_SESSION_S = 120 * 60


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated user."""

    id: int
    username: str
    roles: frozenset[str]
    admin_by_now: bool
    """A super admin, or an admin with an open admin session."""


class Identity:
    """Tells callers apart.

    Parameters
    ----------
    form : 'full' or 'short'
        Which text a signature is of.
    jwt_secret : str
        Signs bearer tokens (HS512).
    """

    def __init__(self, form: SignatureForm, jwt_secret: str) -> None:
        self.form = form
        self._jwt_secret = jwt_secret
        self._admin_sessions: dict[str, float] = {}

    def caller(self, request: Request, db: sqlite3.Connection) -> Caller:
        """Authenticate a request.

        Raises
        ------
        Unauthorized
            No credentials, or none that fit.
        FilterCrash
            A short-term token on anything but GET.
        """
        row = self._by_signature(request, db) or self._by_token(request, db)
        if row is None:
            raise Unauthorized
        roles = frozenset(row["roles"].split(","))
        admin = "ROLE_SUPER_ADMIN" in roles or (
            "ROLE_ADMIN" in roles and self._admin_sessions.get(row["username"], 0) > time.time()
        )
        return Caller(row["id"], row["username"], roles, admin)

    def open_admin_session(self, caller: Caller) -> None:
        """Let an admin act as one for two hours."""
        if "ROLE_ADMIN" not in caller.roles:
            raise Forbidden("You are not an admin.")
        self._admin_sessions[caller.username] = time.time() + _ADMIN_SESSION_S

    def close_admin_session(self, caller: Caller) -> None:
        """End it."""
        self._admin_sessions.pop(caller.username, None)

    def tokens(self, username: str, password: str, db: sqlite3.Connection) -> dict[str, str]:
        """Log a browser user in; raises `Forbidden` on a wrong password."""
        row = db.execute("SELECT * FROM users WHERE username = ? AND enabled", (username,)).fetchone()
        if row is None or not password_fits(password, row["password"]):
            raise Forbidden("Cannot identify user or user is not authorized to log in")
        return {
            "token": self.token(row["username"], row["roles"], "SESSION", _SESSION_S),
            "shortTermToken": self.token(row["username"], row["roles"], "SHORT_TERM", _SHORT_TERM_S),
        }

    def token(self, username: str, roles: str, kind: str, lasts_s: float) -> str:
        """Make a bearer token."""
        claims = {"sub": username, "auth": roles, "type": kind, "exp": int(time.time() + lasts_s)}
        return jwt.encode(claims, self._jwt_secret, algorithm="HS512")

    def is_short_term(self, request: Request) -> bool:
        """Tell whether a request comes with a good token that may only read."""
        text = request.headers.get("authorization") or request.query_params.get("Authorization", "")
        try:
            claims = jwt.decode(text.partition(" ")[2], self._jwt_secret, algorithms=["HS512"])
        except jwt.InvalidTokenError:
            return False
        return bool(claims.get("type") == "SHORT_TERM")

    def _by_signature(self, request: Request, db: sqlite3.Connection) -> sqlite3.Row | None:
        headers = request.headers
        scheme, _, rest = headers.get("authorization", "").partition(" ")
        public_key, colon, signature = rest.partition(":")
        if scheme != "CYTOMINE" or not colon or "date" not in headers or "host" not in headers:
            return None
        row: sqlite3.Row | None = db.execute(
            "SELECT * FROM users WHERE public_key = ? AND enabled", (public_key,)
        ).fetchone()
        if row is None:
            return None
        fits = (
            hmac.compare_digest(self._signature(request, row["private_key"], kind).encode(), signature.encode())
            for kind in (_content_type(request), "")
        )
        return row if any(fits) else None

    def _signature(self, request: Request, private_key: str, content_type: str) -> str:
        parts = [request.method, request.headers.get("content-md5", ""), content_type, request.headers["date"]]
        if self.form == "full":
            query = request.scope["query_string"].decode()
            parts.append(request.scope["raw_path"].decode() + (f"?{query}" if query else ""))
        return sign(private_key, "\n".join(parts))

    def _by_token(self, request: Request, db: sqlite3.Connection) -> sqlite3.Row | None:
        text = request.headers.get("authorization") or request.query_params.get("Authorization", "")
        scheme, _, token = text.partition(" ")
        if scheme != "Bearer":
            return None
        try:
            claims = jwt.decode(token, self._jwt_secret, algorithms=["HS512"])
        except jwt.InvalidTokenError:
            return None
        if claims.get("type") == "SHORT_TERM" and request.method != "GET":
            raise FilterCrash
        row: sqlite3.Row | None = db.execute(
            "SELECT * FROM users WHERE username = ? AND enabled", (claims.get("sub"),)
        ).fetchone()
        return row


def sign(private_key: str, text: str) -> str:
    """Sign a text as the Python client does: HMAC-SHA1 in base 64."""
    return base64.b64encode(hmac.new(private_key.encode(), text.encode(), hashlib.sha1).digest()).decode()


def _content_type(request: Request) -> str:
    """Give the content type as Core's filter makes it appear."""
    given = request.headers.get("content-type", "")
    if (not given or "octet-stream" in given) and ".json" in str(request.url):
        return "application/json"
    return given
