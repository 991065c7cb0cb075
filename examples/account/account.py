"""An account system with one user: a settings page whose box is a consent, both ways.

RELEASE_MAILER_URL, TOKEN (consents:write), SECRET (of the webhook), WORDING (a file), EMAIL: then `uvicorn account:app`.
"""

import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from pathlib import Path
from uuid import uuid4

import httpx
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

TEXT, EMAIL, TOPIC = Path(os.environ["WORDING"]).read_text("utf-8"), os.environ["EMAIL"], "release-notes"
box = {"ticked": False}  # a real account system keeps this in its database
client = httpx.AsyncClient(
    base_url=os.environ["RELEASE_MAILER_URL"], headers={"Authorization": f"Bearer {os.environ['TOKEN']}"}
)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Settings</title>
<style>body{font:1.1rem/1.5 system-ui;max-width:32rem;margin:3rem auto;padding:0 1rem}</style>
<h1>Settings</h1><p>Signed in as %s</p>
<form method="post"><label><input type="checkbox" name="box" onchange="this.form.submit()" %s> %s</label></form>
<script>setInterval(async () => document.querySelector("input").checked =
  (await (await fetch("state")).json()).ticked, 500)</script></html>"""


async def show(request):
    return HTMLResponse(PAGE % (escape(EMAIL), "checked" if box["ticked"] else "", escape(TEXT)))


async def save(request):
    now = datetime.now(UTC).isoformat()
    body = {"email": EMAIL, "topic": TOPIC, "note": "settings page"}
    if "box" in await request.form():
        body |= {"first_name": "Mila", "given_at": now, "wording": sha256(TEXT.encode()).hexdigest()}
        answer = await client.post("/api/v1/consents", json=body, headers={"Idempotency-Key": str(uuid4())})
    else:
        answer = await client.post("/api/v1/withdrawals", json=body | {"at": now})
    answer.raise_for_status()
    box["ticked"] = answer.json()["state"] == "granted"
    return RedirectResponse(".", 303)


async def hook(request):
    event = Webhook(os.environ["SECRET"]).verify(await request.body(), dict(request.headers))
    for change in event["data"]["changes"]:
        if change["email"] == EMAIL and change["topic"] == TOPIC:
            box["ticked"] = change["kind"] == "granted"
    return Response(status_code=204)


async def state(request):
    return JSONResponse(box)


@asynccontextmanager
async def lifespan(app):
    async with client:
        yield


routes = [Route("/", show), Route("/", save, methods=["POST"]), Route("/hook", hook, methods=["POST"])]
app = Starlette(routes=[*routes, Route("/state", state)], lifespan=lifespan)
