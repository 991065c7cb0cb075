"""Which packages of others a command loads: each one that is loaded in vain costs CPU time at every start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from campaigns.approvals import Approver
from mailer.database import Database
from tests.support.campaign import dispatch_for, draft, settings_for, subscribe, threaded, write_config
from tests.support.installed import ROOT
from tests.support.relay import FaultyRelay

SETTINGS = {"msgspec", "typing_extensions"}
DATABASE = {"cython_runtime", "sqlalchemy"}
# Reads of the web application: SQLModel and the ORM, which other commands do without.
SESSIONS = {"aiosqlite", "greenlet", "sqlmodel"}
# A quick look needs the settings, and asks the database without SQLAlchemy.
QUICK_LOOK = {"click", "tzdata", *SETTINGS}
# A whole look with nothing due neither reads nor renders notes, and calls nobody.
WHOLE_LOOK = {"aiosmtplib", "cronsim", "cryptography", "standardwebhooks", "uvloop", *QUICK_LOOK, *DATABASE}
# What is approved is neither read nor rendered again, and without a terminal no bar is drawn.
SENDING = WHOLE_LOOK - {"cronsim", "standardwebhooks"}
# Limits that are not there need no table, a relay without a login none of its mechanisms, nobody asks for the preheader,
# and no time is written by hand.
SPARED = {
    *("_strptime", "html.parser", "mailer.limits.throttle", "templates.language.written_time"),
    *("mailer.smtp.login", "mailer.smtp.oauth2", "mailer.smtp.sasl", "templates.mail_contents"),
}
OURS = {"mailer", "templates", "subscribers", "campaigns", "cli", "web"}
NOTES = {
    *(
        "css_inline",
        "emoji",
        "jinja2",
        "markdown_it",
        "markupsafe",
        "mdit_py_plugins",
        "mdurl",
        "mjml",
        "pygments",
    ),
    "yaml",
}
WEB = {
    *(
        "annotated_doc",
        "annotated_types",
        "anyio",
        "email_validator",
        "fastapi",
        "httptools",
        "httpx",
        "idna",
        "opentelemetry",
    ),
    *("prometheus_client", "pydantic", "pydantic_core", "python_multipart", "rich", "starlette"),
    *("typing_inspection", "uvicorn"),
}
# Each command after those before it: the second run-due follows a whole look.
LOADED = {
    "--help": [{"click"}],
    "run-due": [WHOLE_LOOK, QUICK_LOOK],
    "serve": [WHOLE_LOOK | NOTES | WEB | SESSIONS],
}
SCRIPT = """
import sys
before = set(sys.modules)
import cli
if sys.argv[1] == "serve":
    import mailer.commands.serve, web
else:
    try:
        cli.main()
    except SystemExit as end:
        assert not end.code, end.code
print(*set(sys.modules) - before, file=sys.stderr)
"""


def packages_of(modules: set[str]) -> set[str]:
    """The packages of others that hold these modules."""
    packages = {name.partition(".")[0] for name in modules if not name.startswith("_")}
    return packages - sys.stdlib_module_names - OURS


def modules_loaded(folder: Path, *command: str) -> set[str]:
    """The modules that a command loads in `folder`."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return set(run.stderr.split())


@pytest.mark.parametrize("command", LOADED)
def test_a_command_loads_only_the_packages_that_it_needs(
    sqlite_database: Database, tmp_path: Path, command: str
) -> None:
    write_config(tmp_path, 1, database_url=sqlite_database.url.render_as_string())
    for allowed in LOADED[command]:
        assert packages_of(modules_loaded(tmp_path, command)) - allowed == set()


def test_sending_an_approved_campaign_loads_only_the_packages_that_it_needs(
    sqlite_database: Database, tmp_path: Path
) -> None:
    with threaded(FaultyRelay()) as relay:
        write_config(tmp_path, relay.port, database_url=sqlite_database.url.render_as_string())
        subscribe(sqlite_database, 1)
        draft(sqlite_database)
        dispatch_for(sqlite_database, settings_for(relay.port)).approve("notes", Approver(None, None))
        loaded = modules_loaded(tmp_path, "campaigns", "send", "notes", "--yes")
        assert [mail.recipient for mail in relay.accepted] == ["person1@example.com"]
    assert packages_of(loaded) - SENDING == set()
    assert loaded & SPARED == set()
