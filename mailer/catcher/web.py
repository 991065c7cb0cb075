"""The web page of the caught mails.

Mails may be hostile. Each is shown in a frame without scripts, forms or origin, which loads nothing.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache, partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from mailer.catcher.server import NEWEST, Catcher, Caught

REFRESH_SECONDS = 5

VIEWS = {"html": "HTML", "phone": "Phone", "text": "Text", "headers": "Headers", "source": "Source"}

# The frame may use its own styles and data URLs, and load nothing. The sandbox removes its origin. A link opens a
# new page, which is not sandboxed.
_FRAME_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)

_PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def inbox_app(catcher: Catcher) -> Starlette:
    """The web application that shows the mails of `catcher`. Its links are relative, so it can be mounted anywhere."""
    return Starlette(
        routes=[
            Route("/", partial(_list, catcher)),
            Route("/{key}/raw", partial(_raw, catcher)),
            Route("/{key}/frame", partial(_frame, catcher)),
            Route("/{key}/{view}", partial(_mail, catcher)),
        ]
    )


def _list(catcher: Catcher, _request: Request) -> Response:
    mails = catcher.messages(newest=NEWEST)[::-1]
    response = _page("list.html.j2", catcher=catcher, mails=mails, newest=NEWEST)
    response.headers["Refresh"] = str(REFRESH_SECONDS)
    return response


def _mail(catcher: Catcher, request: Request) -> Response:
    view = request.path_params["view"]
    if view not in VIEWS:
        raise HTTPException(404)
    return _page("mail.html.j2", mail=_find_or_404(catcher, request), view=view, views=VIEWS)


def _frame(catcher: Catcher, request: Request) -> Response:
    html = _find_or_404(catcher, request).html()
    return HTMLResponse(html, headers=_PRIVATE | {"Content-Security-Policy": _FRAME_POLICY})


def _raw(catcher: Catcher, request: Request) -> Response:
    mail = _find_or_404(catcher, request)
    return PlainTextResponse(mail.data, headers=_PRIVATE | {"Content-Security-Policy": _FRAME_POLICY})


def _find_or_404(catcher: Catcher, request: Request) -> Caught:
    try:
        return catcher.message(request.path_params["key"])
    except KeyError:
        raise HTTPException(404) from None


def _page(template: str, **values: object) -> Response:
    environment, style, content_security_policy = _pages()
    html = environment.get_template(template).render(style=style, **values)
    return HTMLResponse(html, headers=_PRIVATE | {"Content-Security-Policy": content_security_policy})


@cache
def _pages() -> tuple[Environment, Markup, str]:
    folder = Path(__file__).with_name("inbox")
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    style = (folder / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'sha256-{digest}'; frame-src 'self'"
    forbidden = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return environment, Markup(style), f"{allowed}; {forbidden}"  # noqa: S704 - our own file
