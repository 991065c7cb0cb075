"""The keys of a running process follow its two files."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from mailer.config import KeySource, key_source, load_settings

OLD, NEW = "old" * 12, "new" * 12


@pytest.fixture(autouse=True)
def files_are_looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("mailer.config.key_ring"), "RECHECK_SECONDS", 0)


def write(folder: Path, name: str, *keys: str, more: str = "") -> None:
    listed = ", ".join(f'"{key}"' for key in keys)
    (folder / name).write_text(f"secret_keys = [{listed}]\n{more}", encoding="utf-8")


def keys_of(source: KeySource) -> list[str]:
    return [key.decode() for key in source.current().verifying]


@pytest.mark.parametrize("name", ["mailer.toml", "mailer.secrets.toml", "other.toml"])
def test_a_key_that_is_added_to_a_file_is_read_while_the_process_runs(tmp_path: Path, name: str) -> None:
    config = tmp_path / ("other.toml" if name == "other.toml" else "mailer.toml")
    config.touch()
    write(tmp_path, name, OLD)
    source = key_source(load_settings(config))
    assert keys_of(source) == [OLD]
    write(tmp_path, name, OLD, NEW)
    assert keys_of(source) == [OLD, NEW]
    (tmp_path / name).write_text("secret_keys = [", encoding="utf-8")  # it is being edited
    assert keys_of(source) == [OLD, NEW]


def test_keys_that_move_to_the_secrets_file_stay_in_force_and_the_secrets_win(tmp_path: Path) -> None:
    write(tmp_path, "mailer.toml", OLD)
    source = key_source(load_settings(tmp_path / "mailer.toml"))
    (tmp_path / "mailer.toml").write_text("", encoding="utf-8")
    assert keys_of(source) == [OLD]
    write(tmp_path, "mailer.secrets.toml", OLD, more=f'next_secret_key = "{NEW}"\n')
    assert keys_of(source) == [OLD, NEW]
    write(tmp_path, "mailer.toml", "another" * 6)
    assert keys_of(source) == [OLD, NEW]


def test_a_variable_wins_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "mailer.toml", OLD)
    monkeypatch.setenv("MAILER_SECRET_KEYS", NEW)
    source = key_source(load_settings(tmp_path / "mailer.toml"))
    write(tmp_path, "mailer.toml", OLD, "another" * 6)
    assert keys_of(source) == [NEW]
