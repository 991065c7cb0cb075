"""Help: instant, complete, and with an example everywhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import click
import pytest

from cli import COMMANDS
from cli import mailer as root
from docs.generate_cli import commands
from tests.support.installed import InstalledMailer

EVERY = {context.command_path: (command, context) for command, context in commands()}
LIMIT = 0.2  # seconds of CPU


@pytest.mark.parametrize("path", EVERY)
def test_every_command_has_help_with_an_example_of_itself(path: str) -> None:
    command, context = EVERY[path]
    prose, _, example = command.get_help(context).partition("Example:")
    assert command.help
    assert len(prose.split()) > 5
    assert path in example


@pytest.mark.parametrize("path", EVERY)
def test_every_option_says_what_it_does(path: str) -> None:
    options = [parameter for parameter in EVERY[path][0].params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says_of_itself(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(limit=200).rstrip(".") == COMMANDS[name][1].rstrip(".")


def test_every_door_of_the_contract_is_there() -> None:
    wanted = {
        "": "init demo doctor subscribers consent campaigns deliveries run-due serve keys",
        "subscribers": "import list show rectify erase export",
        "consent": "grant withdraw history prove verify",
        "campaigns": "create lint preview proof approve schedule send status pause resume cancel report",
        "deliveries": "list resolve",
        "keys": "dkim rotate",
    }
    paths = {
        f"mailer {group} {name}".replace("  ", " ")
        for group, names in wanted.items()
        for name in names.split()
    }
    assert paths <= EVERY.keys()


@pytest.mark.parametrize("args", [["--help"], ["--version"]], ids=" ".join)
def test_help_answers_in_a_fifth_of_a_second_of_cpu(
    mailer: InstalledMailer, tmp_path: Path, args: list[str]
) -> None:
    """The best of five, because another process can only make it slower."""
    assert min(_cpu_seconds(mailer, args, tmp_path) for _ in range(5)) < LIMIT


def test_help_needs_no_settings(mailer: InstalledMailer, tmp_path: Path) -> None:
    (tmp_path / "mailer.toml").write_text("sender = 1", encoding="utf-8")
    for name in COMMANDS:
        mailer.run(name, "--help", cwd=tmp_path)


def test_an_error_is_a_message_without_a_traceback(mailer: InstalledMailer, tmp_path: Path) -> None:
    done = mailer.run("--config", "nowhere.toml", "keys", "dkim", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "Error: nowhere.toml does not exist.\nRun `mailer init` to make one.\n"


def test_wrong_usage_ends_with_2(mailer: InstalledMailer, tmp_path: Path) -> None:
    assert mailer.run("no-such-command", cwd=tmp_path, check=False).returncode == 2


def _cpu_seconds(mailer: InstalledMailer, args: list[str], cwd: Path) -> float:
    process = subprocess.Popen(
        [mailer.command, *args],
        cwd=cwd,
        env=mailer.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime
