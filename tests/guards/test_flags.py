"""Options of the command line are named in cli/ alone: below it an argument has the name that Python gives it."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

import efficientnet_lite
from efficientnet_lite.cli import reference
from efficientnet_lite.cli.app import COMMANDS, parser
from efficientnet_lite.cli.wording import ARGUMENT, option

PACKAGE = Path(efficientnet_lite.__file__).parent
FLAG = re.compile(r"(?<![\w-])(?<!var\()--[a-z][a-z0-9-]*(?![\w-])")  # the reference's flags have underscores
COMMAND_LINES = re.compile(
    r"(efficientnet-lite|pip) [^\n]*"
)  # whole ones may be quoted, such as `pip install --x`


def texts(source):
    """Line and text of every literal and docstring; what an f-string fills in is left out of it."""
    tree = ast.parse(source)
    parts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(each) for each in node.values}
            yield (
                node.lineno,
                "".join(each.value if isinstance(each, ast.Constant) else "…" for each in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.lineno, node.value


def arguments(source):
    """The arguments that its messages name; a docstring is none."""
    docstrings = {each.lineno for each in ast.walk(ast.parse(source)) if isinstance(each, ast.Expr)}
    found = (re.findall(ARGUMENT, text) for line, text in texts(source) if line not in docstrings)
    return {name for each in found for name, _ in each}


def flags(source):
    """The flags that it names, each with its line."""
    return [
        (line, flag) for line, text in texts(source) for flag in FLAG.findall(COMMAND_LINES.sub("", text))
    ]


def test_nothing_below_the_command_line_names_an_option():
    modules = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "cli"]

    named = [(str(path.relative_to(PACKAGE)), *each) for path in modules for each in flags(path.read_text())]

    assert len(modules) > 100
    assert named == []


def options():
    """Every option of every command, and the reference's flags."""
    found = {f"--{field.name}" for field in fields(reference.Flags)}
    for command in COMMANDS:
        app = parser()
        for word in command.name.split():
            app = app[word]
        found |= {name for each in app.assemble_argument_collection() for name in each.names}
    return found


def test_every_argument_that_is_named_there_is_one_of_the_command_line():
    modules = (path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "cli")

    named = set().union(*(arguments(path.read_text()) for path in modules))

    known = options()
    assert {"out", "overwrite", "data", "links"} <= named
    assert {name for name in named if not {option(name), f"--{name}"} & known} == set()


@pytest.mark.parametrize(
    "source",
    [
        'fix = "choose another --out"',
        'fix = f"{what} (--on-bad skip)"',
        '''"""`train --resume` goes on."""''',
        'print("efficientnet-lite verify\\ngive --data")',
    ],
)
def test_a_flag_is_found(source):
    assert len(flags(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        'fix = "choose another `out=`"',
        'steps: Annotated[int, "--train_steps"]',
        'css = "var(--ink)"',
        'fix = f"pip install --force-reinstall {name}"',
        'line = f"efficientnet-lite hub-cache {name} --remove --dir ."',
        "# --out in a comment",
        'rule = "|---|---|"',
    ],
)
def test_what_is_another_program_s_or_a_whole_command_line_is_none(source):
    assert flags(source) == []
