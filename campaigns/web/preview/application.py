"""The web application of the preview. It answers on loopback, and only the browser that was given its address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from campaigns.web.preview.access import Access
from campaigns.web.preview.rendering import PEOPLE, Rendering
from campaigns.web.preview.source import is_changed
from campaigns.web.preview.views import VIEWS, View, as_seen, content_policy
from templates.language import LOCALES, Locale

LOOK_SECONDS = 0.06  # between looks at the files
KEEP_ALIVE_SECONDS = 15.0
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_FILES = {"page.css": "text/css", "page.js": "text/javascript"}
_SPENT = (
    "This address opened the preview once and is void now. Go back to the page that it opened, or start "
    "`mailer campaigns preview` again.\n"
)
_Answer = Callable[[Request], Awaitable[Response]]


class PreviewApplication:
    """The routes, on one rendering."""

    def __init__(self, rendering: Rendering, access: Access, name: str) -> None:
        self._rendering, self._access, self._name = rendering, access, name
        self.app = Starlette(
            routes=[
                Route("/open/{token}", self._local(self._open), methods=["GET"]),
                Route("/{session}/", self._admitted(self._page), methods=["GET"]),
                Route("/{session}/mail", self._admitted(self._mail), methods=["GET"]),
                Route("/{session}/state", self._admitted(self._state), methods=["GET"]),
                Route("/{session}/findings", self._admitted(self._findings), methods=["GET"]),
                Route("/{session}/events", self._admitted(self._events), methods=["GET"]),
                Route("/{session}/{file}", self._admitted(self._file), methods=["GET"]),
            ]
        )
        self.app.router.redirect_slashes = False

    def _local(self, answer: _Answer) -> _Answer:
        async def answer_if_local(request: Request) -> Response:
            if not self._access.is_local(request.headers):
                return PlainTextResponse("Only this machine may ask.\n", 403, headers=_PRIVATE)
            response = await answer(request)
            for name, value in _PRIVATE.items():
                response.headers.setdefault(name, value)
            return response

        return answer_if_local

    def _admitted(self, answer: _Answer) -> _Answer:
        async def answer_if_admitted(request: Request) -> Response:
            if not self._access.admits(request.path_params["session"]):
                return PlainTextResponse("There is no such page.\n", 404)
            return await answer(request)

        return self._local(answer_if_admitted)

    async def _open(self, request: Request) -> Response:
        if request.method == "HEAD" or not self._access.redeem(request.path_params["token"]):
            return PlainTextResponse(_SPENT, 403)
        return RedirectResponse(self._access.path, 303)

    async def _page(self, _request: Request) -> Response:
        return Response(
            _read("page.html"), media_type="text/html", headers={"Content-Security-Policy": _PAGE_POLICY}
        )

    async def _file(self, request: Request) -> Response:
        name = request.path_params["file"]
        if name not in _FILES:
            return PlainTextResponse("There is no such file.\n", 404)
        return Response(_read(name), media_type=_FILES[name])

    async def _mail(self, request: Request) -> Response:
        view = View(_chosen(request, "view", [one.value for one in View]))
        found = await asyncio.to_thread(self._rendering.mail, _person(request), _locale(request))
        headers = {"Content-Security-Policy": content_policy(view)}
        return Response(as_seen(found.html, view), media_type="text/html", headers=headers)

    async def _state(self, request: Request) -> Response:
        found = await asyncio.to_thread(self._rendering.mail, _person(request), _locale(request))
        fixed = {
            "name": self._name,
            "people": [_label(index) for index in range(len(PEOPLE))],
            "locales": list(LOCALES),
            "views": {view.value: label for view, label in VIEWS.items()},
        }
        return _json({**fixed, **found.values, "error": found.error})

    async def _findings(self, request: Request) -> Response:
        return _json({"findings": await asyncio.to_thread(self._rendering.findings, _locale(request))})

    async def _events(self, _request: Request) -> Response:
        return StreamingResponse(self._changes(), media_type="text/event-stream")

    async def _changes(self) -> AsyncIterator[str]:
        """One event for each change of the files, once they have been still for a moment; comments in between."""
        before, quiet = self._rendering.versions(), 0.0
        yield "retry: 500\n\n"
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            quiet += LOOK_SECONDS
            after = self._rendering.versions()
            if is_changed(before, after):
                while is_changed(after, again := await self._look_again()):
                    after = again
                quiet = 0.0
                yield "event: change\ndata: {}\n\n"
            elif quiet > KEEP_ALIVE_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
            before = after

    async def _look_again(self) -> dict[Path, object]:
        await asyncio.sleep(LOOK_SECONDS / 2)
        return self._rendering.versions()


def _label(index: int) -> str:
    person = PEOPLE[index]
    return " ".join(filter(None, (person.salutation, person.first_name, person.surname))) or "No name"


def _person(request: Request) -> int:
    return int(_chosen(request, "person", [str(index) for index in range(len(PEOPLE))]))


def _locale(request: Request) -> Locale | None:
    chosen = _chosen(request, "locale", ["", *LOCALES])
    return next((locale for locale in LOCALES if locale == chosen), None)


def _chosen(request: Request, name: str, choices: list[str]) -> str:
    """The value of a parameter, or the first of the choices where it is none of them."""
    value = request.query_params.get(name, "")
    return value if value in choices else choices[0]


def _json(values: object) -> Response:
    return Response(json.dumps(values, ensure_ascii=False, default=str), media_type="application/json")


def _read(name: str) -> bytes:
    return files("campaigns.web.preview").joinpath("page", name).read_bytes()
