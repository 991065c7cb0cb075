"""The list of secret keys in its file."""

from __future__ import annotations

import json
import re
import tempfile
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.config import secret_keys
from mailer.errors import ConfigurationError

KEYS = st.lists(st.text("abcXYZ019-_", min_size=32, max_size=43), min_size=1, max_size=4)


def test_two_fresh_keys_differ_and_are_long() -> None:
    assert secret_keys.fresh_key() != secret_keys.fresh_key()
    assert re.fullmatch(r"\d{8}T\d{6}Z-[A-Za-z0-9_-]{43}", secret_keys.fresh_key())


@given(KEYS, st.sampled_from([", ", ",\n  ", " ,", ", # the newest\n"]), st.booleans())
def test_rotating_adds_one_key_at_the_end_and_touches_nothing_else(
    keys: list[str], between: str, trail: bool
) -> None:
    listed = between.join(json.dumps(key) for key in keys) + ("," if trail else "")
    text = f'# kept\nsecret_keys = [ {listed}\n]  # here\nother_key = "t]t"\n[smtp]\npassword = "p"\n'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mailer.secrets.toml")
        path.write_text(text, encoding="utf-8")
        assert secret_keys.rotate(path) == len(keys) + 1
        changed = path.read_text(encoding="utf-8")
        assert [path] == list(Path(folder).iterdir())
    after = tomllib.loads(changed)
    assert after.pop("secret_keys")[:-1] == keys
    assert after == {"other_key": "t]t", "smtp": {"password": "p"}}
    assert changed.startswith("# kept\n")
    assert changed.endswith(']  # here\nother_key = "t]t"\n[smtp]\npassword = "p"\n')


@pytest.mark.parametrize("text", ["", "other_key = 't'", "[smtp]\nsecret_keys = []", "secret_keys = ["])
def test_a_file_without_a_list_of_keys_is_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mailer.secrets.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        secret_keys.rotate(path)
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("before", "after"), [(0o600, 0o600), (0o640, 0o640), (0o644, 0o640), (0o666, 0o660)]
)
def test_the_new_file_keeps_its_mode_and_is_closed_to_others(before: int, after: int, tmp_path: Path) -> None:
    path = tmp_path / "mailer.secrets.toml"
    path.write_text(f'secret_keys = ["{"k" * 32}"]', encoding="utf-8")
    path.chmod(before)
    secret_keys.rotate(path)
    assert path.stat().st_mode & 0o777 == after
