"""The documentation cannot drift from the code."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import click
import pytest

from analysis.cli import COMMANDS, cli, run_cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_data_dictionary_is_made_from_the_contract():
    made = runpy.run_path(str(ROOT / "tools" / "data_dictionary.py"))["dictionary"]()
    assert (ROOT / "docs" / "data_dictionary.md").read_text("utf-8") == made, (
        "run `python tools/data_dictionary.py`"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    loaded = cli.get_command(click.Context(cli), command)
    assert loaded is not None
    assert loaded.help
    with click.Context(loaded, info_name=f"walletlab {command}") as context:
        assert "Usage: walletlab" in loaded.get_help(context)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_help(command):
    loaded = cli.get_command(click.Context(cli), command)
    commands = loaded.commands.values() if isinstance(loaded, click.Group) else [loaded]
    without = [
        f"{c.name} {p.name}"
        for c in commands
        for p in c.params
        if isinstance(p, click.Option) and not p.help
    ]
    assert without == []


def test_commands_of_the_readme_exist():
    used = set(re.findall(r"(?m)^(?:\S+=\S+ )?walletlab ([a-z]+)", README))
    assert used
    assert used <= set(COMMANDS)


def _lines_of_commands():
    """Each `walletlab ...` line of a code block or between backticks, with its document."""
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = re.sub(r"\\\n\s*", "", document.read_text("utf-8"))
        found = re.findall(r"(?m)^(?:\S+=\S+ )?(walletlab [a-z].*?)(?: {2,}#.*| # .*)?$", text)
        found += re.findall(r"`(walletlab [a-z][^`]*)`", text)
        yield from (pytest.param(line, id=f"{document.stem}: {line}") for line in found)


@pytest.mark.parametrize("line", _lines_of_commands())
def test_options_of_the_documents_exist(line):
    words = line.replace("[", " ").replace("]", " ").split()[1:]
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None, f"no such command: {words[0]}"
    if isinstance(command, click.Group) and len(words) > 1:
        command = command.commands[words[1]]
    options = {"--help", *(name for p in command.params for name in p.opts + p.secondary_opts)}
    used = {w.partition("=")[0] for w in words if re.match(r"--?[a-z]", w)}
    assert used <= options


def test_make_targets_of_the_readme_exist_and_help_lists_every_target():
    text = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"(?m)^([a-z]+):", text))
    named = set(re.findall(r"make ([a-z]+)", README))
    assert {"report", "test", "lab", "help"} <= named <= targets
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert targets == set(re.findall(r"make ([a-z]+)", shown.stdout))


def test_files_linked_from_the_documents_exist():
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text("utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["reprot"], 2, "did you mean 'report'?"),
        (["run"], 2, "no scenario given"),
        (["summary", "--jsno"], 2, "No such option"),
        (["summary", "/nonexistent"], 2, "no such run"),
    ],
)
def test_usage_errors_are_one_line_with_exit_code_two(arguments, code, told, capsys):
    assert run_cli(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err
    assert captured.err.count("\n") == 1
