"""Core's routes about the server, users, sessions, projects, terms and commands."""

from __future__ import annotations

import sqlite3
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from demo.cytomine import commands, records, rights
from demo.cytomine.annotation_routes import Id
from demo.cytomine.answers import problem
from demo.cytomine.desk import Desk, Visit
from demo.cytomine.refusals import Forbidden, NotFound, Refusal

VERSION = "5.1.1"


def session_router(desk: Desk) -> APIRouter:
    """Give the routes."""
    router = APIRouter()
    for add in (_server, _sessions, _users, _projects_and_terms, _members, _commands):
        add(router, desk)
    return router


def _server(router: APIRouter, desk: Desk) -> None:
    @router.api_route("/server/ping", methods=["GET", "POST"])
    @router.api_route("/server/ping.json", methods=["GET", "POST"])
    def ping(request: Request) -> dict[str, Any]:
        url = str(request.base_url).rstrip("/")
        answer = {"alive": True, "authenticated": False, "version": VERSION, "serverURL": url, "serverID": "embedded"}
        with desk.store.transaction() as db:
            try:
                caller = desk.identity.caller(request, db)
            except Refusal:
                return answer
        token = desk.identity.token(caller.username, ",".join(sorted(caller.roles)), "SHORT_TERM", 300)
        return {**answer, "authenticated": True, "user": caller.id, "shortTermToken": token}


def _sessions(router: APIRouter, desk: Desk) -> None:
    @router.post("/api/authenticate")
    async def authenticate(request: Request) -> Response:
        login = await request.json()
        if not 4 <= len(str(login.get("password"))) <= 100:
            text = "Validation failed for argument [0]: Field error in object 'loginVM' on field 'password'"
            return JSONResponse({"errors": {"message": text}}, 400)
        with desk.store.transaction() as db:
            try:
                tokens = desk.identity.tokens(str(login.get("username")), str(login.get("password")), db)
            except Refusal as refusal:
                return refusal.answer(request)
        return JSONResponse(tokens)

    @router.get("/session/admin/{verb}.json")
    async def admin_session(verb: str, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            if verb == "open":
                desk.identity.open_admin_session(visit.caller)
            elif verb == "close":
                desk.identity.close_admin_session(visit.caller)
            elif verb != "info":
                raise NotFound(verb)
            caller = desk.identity.caller(request, visit.db)
            return {"adminByNow": caller.admin_by_now, "userByNow": not caller.admin_by_now, "guestByNow": False}

        return await desk.read(request, work)


def _users(router: APIRouter, desk: Desk) -> None:
    @router.get("/api/user/current.json")
    async def current_user(request: Request) -> Response:
        return await desk.read(
            request, lambda visit: records.user_record(_user(visit.db, visit.caller.id), visit.caller)
        )

    @router.get("/api/user/{user}.json")
    async def user(user: int, request: Request) -> Response:
        return await desk.read(request, lambda visit: records.user_record(_user(visit.db, user), visit.caller))

    @router.get("/api/userkey/{public_key}/keys.json")
    async def keys_by_public_key(public_key: str, request: Request) -> Response:
        return await desk.read(request, lambda visit: _keys(visit, "public_key", public_key))

    @router.get("/api/user/{user}/keys.json")
    async def keys_of_user(user: int, request: Request) -> Response:
        return await desk.read(request, lambda visit: _keys(visit, "id", user))


def _projects_and_terms(router: APIRouter, desk: Desk) -> None:
    @router.get("/api/project.json")
    async def projects(request: Request) -> Response:
        return await desk.read(request, _projects)

    @router.get("/api/project/{project}.json")
    async def project(project: int, request: Request) -> Response:
        return await desk.read(request, lambda visit: records.project_record(visit.db, _seen_project(visit, project)))

    @router.get("/api/project/{project}/term.json")
    async def project_terms(project: int, request: Request) -> Response:
        return await desk.read(request, lambda visit: _terms(visit, _seen_project(visit, project)["ontology"]))

    @router.get("/api/ontology/{ontology}/term.json")
    async def ontology_terms(ontology: int, request: Request) -> Response:
        return await desk.read(request, lambda visit: _terms(visit, ontology))

    @router.get("/api/term/{term}.json")
    async def term(term: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            row = visit.db.execute("SELECT * FROM terms WHERE id = ?", (term,)).fetchone()
            if row is None:
                raise NotFound(f"Term {term} not found")
            return records.term_record(row)

        return await desk.read(request, work)


def _members(router: APIRouter, desk: Desk) -> None:
    @router.get("/api/project/{project}/user.json")
    async def members(project: int, request: Request) -> Response:
        def work(visit: Visit) -> Any:
            _seen_project(visit, project)
            rows = visit.db.execute(
                "SELECT u.*, m.mask FROM users u JOIN members m ON m.user = u.id WHERE m.project = ? ORDER BY u.id",
                (project,),
            )
            return records.collection(records.member_record(row) for row in rows)

        return await desk.read(request, work)


def _commands(router: APIRouter, desk: Desk) -> None:
    @router.get("/api/command/{verb}.json")
    async def last_command(verb: str, request: Request) -> Response:
        return await _undone(desk, request, verb, None)

    @router.get("/api/command/{id}/{verb}.json")
    async def command(command: Id, verb: str, request: Request) -> Response:
        return await _undone(desk, request, verb, command)


async def _undone(desk: Desk, request: Request, verb: str, command: int | None) -> Response:
    if verb not in {"undo", "redo"}:
        return problem(request, 404, f"No endpoint GET {request.url.path}.")
    return await desk.change(
        request, lambda visit: commands.undo(visit.session, command, redo=verb == "redo"), plain=True
    )


def _user(db: sqlite3.Connection, user: int) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM users WHERE id = ?", (user,)).fetchone()
    if row is None:
        raise NotFound(f"User {user} not found")
    return row


def _keys(visit: Visit, column: str, value: str | int) -> dict[str, str]:
    """Give keys to their owner, or to an admin by now."""
    query = f"SELECT * FROM users WHERE {column} = ?"  # noqa: S608  a name of ours
    row = visit.db.execute(query, (value,)).fetchone()
    if row is None:
        raise NotFound(f"User {value if column == 'id' else f'{{publicKey={value}}}'} not found")
    if row["id"] != visit.caller.id and not visit.caller.admin_by_now:
        raise Forbidden("You don't have the right to read this resource! You must be the same user!")
    return {"privateKey": row["private_key"], "publicKey": row["public_key"]}


def _projects(visit: Visit) -> dict[str, Any]:
    rows = visit.db.execute("SELECT * FROM projects ORDER BY id").fetchall()
    seen = []
    for row in rows:
        try:
            rights.check_read(visit.db, visit.caller, row["id"])
        except Forbidden:
            continue
        seen.append(records.project_record(visit.db, row))
    return records.collection(seen)


def _seen_project(visit: Visit, project: int) -> sqlite3.Row:
    row = rights.project_of(visit.db, project)
    rights.check_read(visit.db, visit.caller, project)
    return row


def _terms(visit: Visit, ontology: int) -> dict[str, Any]:
    rows = visit.db.execute("SELECT * FROM terms WHERE ontology = ? ORDER BY id", (ontology,))
    return records.collection(records.term_record(row) for row in rows)
