"""Help and errors of the command line."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli import COMMANDS
from cli import mailer as root
from docs.generate_cli import commands
from tests.support.installed import InstalledMailer

COMMANDS_BY_PATH = {context.command_path: (command, context) for command, context in commands()}


@pytest.mark.parametrize("path", COMMANDS_BY_PATH)
def test_the_help_of_every_command_has_an_example(path: str) -> None:
    command, context = COMMANDS_BY_PATH[path]
    prose, _, example = command.get_help(context).partition("Example:")
    assert command.help
    assert len(prose.split()) > 5
    assert path in example


@pytest.mark.parametrize("path", COMMANDS_BY_PATH)
def test_every_option_has_help(path: str) -> None:
    options = [
        parameter for parameter in COMMANDS_BY_PATH[path][0].params if isinstance(parameter, click.Option)
    ]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize(
    "path", [path for path, (command, _) in COMMANDS_BY_PATH.items() if isinstance(command, click.Group)]
)
def test_no_summary_is_cut_on_a_terminal_of_80_columns(path: str) -> None:
    command, context = COMMANDS_BY_PATH[path]
    narrow = click.Context(
        command, info_name=path, parent=context.parent, terminal_width=80, max_content_width=80
    )
    assert "..." not in command.get_help(narrow).partition("Commands:")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_summary_of_each_command(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(limit=200).rstrip(".") == COMMANDS[name][1].rstrip(".")


def test_every_command_that_scripts_rely_on_exists() -> None:
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
    assert paths <= COMMANDS_BY_PATH.keys()


@pytest.mark.parametrize("args", [["--help"], ["--version"]], ids=" ".join)
def test_help_imports_little_more_than_an_interpreter_needs(
    mailer: InstalledMailer, tmp_path: Path, args: list[str]
) -> None:
    """A few times the CPU time of a bare interpreter; with the libraries of the database it would be a hundred times.

    The best of three runs of each, because other processes can only make them slower.
    """
    bare, help_ = (
        min(_cpu_seconds(mailer, command, tmp_path) for _ in range(3))
        for command in ([str(mailer.python), "-c", ""], [str(mailer.command), *args])
    )
    assert help_ < 20 * bare


@pytest.mark.parametrize("name", COMMANDS)
def test_help_needs_no_settings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mailer.toml").write_text("sender = 1", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(root, [name, "--help"])
    assert (result.exit_code, result.output[:6]) == (0, "Usage:")


def test_an_error_is_a_message_without_a_traceback(mailer: InstalledMailer, tmp_path: Path) -> None:
    done = mailer.run("--config", "nowhere.toml", "keys", "dkim", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "Error: nowhere.toml does not exist.\nRun `mailer init` to make one.\n"


def test_wrong_usage_ends_with_2(mailer: InstalledMailer, tmp_path: Path) -> None:
    assert mailer.run("no-such-command", cwd=tmp_path, check=False).returncode == 2


@pytest.mark.parametrize(
    ("typed", "meant"), [(["campains"], "campaigns"), (["campaigns", "creat"], "create")]
)
def test_a_misspelt_command_is_answered_with_the_nearest_one(
    mailer: InstalledMailer, tmp_path: Path, typed: list[str], meant: str
) -> None:
    assert f"Did you mean '{meant}'?" in mailer.run(*typed, cwd=tmp_path, check=False).stderr


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (
            ["--config", "nowhere.toml", "campaigns", "list"],
            {"message": "nowhere.toml does not exist.", "hint": "Run `mailer init` to make one.", "code": 1},
        ),
        (["campaigns", "status"], {"message": "Missing argument 'SLUG'.", "hint": None, "code": 2}),
        (["nothing"], {"message": "No such command 'nothing'.", "hint": None, "code": 2}),
    ],
    ids=["settings", "usage", "command"],
)
def test_with_json_an_error_is_one_json_object_on_stdout(
    mailer: InstalledMailer, tmp_path: Path, args: list[str], error: dict[str, object]
) -> None:
    done = mailer.run(*args, "--json", cwd=tmp_path, check=False)
    assert json.loads(done.stdout) == {"error": error}
    assert done.returncode == error["code"]
    assert str(error["message"]) in done.stderr


@pytest.mark.parametrize("path", COMMANDS_BY_PATH)
def test_every_text_of_a_command_must_be_utf8(path: str) -> None:
    command, context = COMMANDS_BY_PATH[path]
    for parameter in command.params:
        if isinstance(parameter.type, click.types.StringParamType):
            with pytest.raises(click.BadParameter, match="not UTF-8 text") as caught:
                parameter.type.convert("caf\udce9", parameter, context)
            assert caught.value.param is parameter
            assert parameter.type.convert("café \U0001f600", parameter, context) == "café \U0001f600"


@pytest.mark.parametrize("path", COMMANDS_BY_PATH)
def test_no_path_of_a_command_may_be_empty(path: str) -> None:
    command, context = COMMANDS_BY_PATH[path]
    for parameter in command.params:
        if isinstance(parameter.type, click.Path) and context.parent is not None:
            with pytest.raises(click.BadParameter, match="it is empty"):
                parameter.type.convert("", parameter, context)


NO_TEXT = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (("init", "--sender", NO_TEXT), 2, "Invalid value for '--sender': it is not UTF-8 text."),
        (("init", "--public-url", NO_TEXT), 2, "Invalid value for '--public-url': it is not UTF-8 text."),
        (("campaigns", "status", NO_TEXT), 2, "Invalid value for 'SLUG': it is not UTF-8 text."),
        (("keys", "api", "create", "--name", NO_TEXT), 2, "Invalid value for '--name': it is not UTF-8 text."),
        ((NO_TEXT,), 2, "No such command"),
        (("status", f"--{NO_TEXT}"), 2, "No such option"),
        (("--config", NO_TEXT, "status"), 1, "does not exist"),
        (("deliveries", "skip", "n", "--id", "9" * 400), 2, "Invalid value for '--id': it is too large."),
        (("privacy", "hold", "release", "9" * 20), 2, "it is too large."),
        (("backup", ""), 2, "Invalid value for 'FILE': it is empty."),
        (("backup", NO_TEXT), 1, "The name of a file or folder is not UTF-8 text."),
    ],
)  # fmt: skip
def test_values_that_nothing_takes_end_with_a_message(
    mailer: InstalledMailer, tmp_path: Path, command: tuple[str, ...], code: int, message: str
) -> None:
    if command[0] == "backup":
        mailer.run("init", cwd=tmp_path)
    done = mailer.run(*command, "--json", cwd=tmp_path, check=False)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == code


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "The settings file has an empty name."),
        ("x" * 5000, "File name too long."),
        ("n.md/mailer.toml", "Not a directory."),
        ("loop/mailer.toml", "Too many levels of symbolic links."),
    ],
    ids=["empty", "long", "below-a-file", "loop"],
)
@pytest.mark.parametrize("command", ["init", "status"])
def test_a_name_that_no_file_can_have_ends_with_a_message(
    mailer: InstalledMailer, tmp_path: Path, name: str, message: str, command: str
) -> None:
    (tmp_path / "n.md").touch()
    (tmp_path / "loop").symlink_to("loop")
    done = mailer.run("--config", name, command, "--json", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 500
    assert (message in done.stderr) or ("does not exist" in done.stderr)
    assert json.loads(done.stdout)["error"]["code"] == 1


def _cpu_seconds(mailer: InstalledMailer, command: list[str], cwd: Path) -> float:
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=mailer.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime
