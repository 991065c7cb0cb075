"""The database URL: read, or refused without showing any part of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.config.settings import _USUAL_DATABASE
from mailer.database.url import check_url, display_name, has_password, parse_url
from mailer.errors import ConfigurationError

PASSWORD = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F), min_size=6, max_size=20)


@given(PASSWORD)
def test_a_percent_encoded_password_is_read_and_never_shown(password: str) -> None:
    url = parse_url(f"postgresql://mailer:{quote(password, safe='')}@127.0.0.1:5432/mailer", Path())
    assert (url.password, url.host, url.database) == (password, "127.0.0.1", "mailer")
    assert display_name(url) == "The database postgresql://mailer:***@127.0.0.1:5432/mailer"


@given(st.text("abc:/#", max_size=8), st.text("xyz:/#", max_size=8))
def test_a_raw_at_sign_in_a_password_is_refused_with_no_part_of_the_url(before: str, after: str) -> None:
    url = f"postgresql://mailer:Super{before}@{after}Secret77@127.0.0.1:5432/mailer"
    with pytest.raises(ConfigurationError, match="%40") as caught:
        parse_url(url, Path())
    assert not any(part in str(caught.value) for part in ("Super", "Secret77", "127.0.0.1"))
    assert caught.value.__cause__ is None
    assert has_password(url)


def test_several_hosts_with_ports_are_refused_with_the_form_in_which_they_are_read() -> None:
    with pytest.raises(ConfigurationError, match="can't be read") as caught:
        parse_url("postgresql://u@one:5432,two:5433/d?target_session_attrs=read-write", Path())
    assert caught.value.hint is not None
    example = caught.value.hint.partition('"')[2].partition('"')[0]
    assert dict(parse_url(example, Path()).query) == {"host": "one,two", "port": "5432,5433"}


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_raw_at_sign_is_refused_whatever_the_scheme(scheme: str) -> None:
    with pytest.raises(ConfigurationError, match="%40"):
        parse_url(f"{scheme}://u:a@b@h/d", Path())


@pytest.mark.parametrize(
    "url", ["sqlite:///folder@host/mailer.db", "postgresql://h/d", "postgresql:///d?host=/run/postgresql"]
)
def test_other_urls_are_read_and_hold_no_password(url: str) -> None:
    assert parse_url(url, Path())
    assert not has_password(url)


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@h/d", "postgresql://u@h/d?password=p", "postgresql://h:x/"]
)
def test_a_password_is_found_wherever_it_is(url: str) -> None:
    assert has_password(url)


@given(st.from_regex(_USUAL_DATABASE, fullmatch=True))
def test_a_url_that_the_settings_take_without_sqlalchemy_is_one_that_it_reads(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url", ["sqlite:///mailer.db", "postgresql://mailer:p%40ss@10.0.0.5:5432/mailer?sslmode=require"]
)
def test_reading_the_settings_loads_no_sqlalchemy(url: str) -> None:
    read = "parse_settings({'database_url': sys.argv[1]}, Path('mailer.toml'))"
    script = f"import sys\nfrom pathlib import Path\nfrom mailer.config import parse_settings\n{read}\n"
    script += "sys.exit('sqlalchemy' in sys.modules)"
    subprocess.run([sys.executable, "-c", script, url], check=True, timeout=60)
