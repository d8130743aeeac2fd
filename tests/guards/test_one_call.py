"""Each command has one call in Python, with the same options by the same names; a short table has what differs."""

import inspect

import pytest

import efficientnet_lite
from efficientnet_lite.cli.app import COMMANDS, parser

# How a result is printed, which a caller does for himself.
OF_THE_TERMINAL = {"json", "jsonl", "csv", "verbose", "quiet"}
OF_ONE_COMMAND = {
    "verify": {"strict"},  # an exit code; in Python it is the result's `verdict`
    "check": {"overwrite"},  # of the file that `--csv` names
    "duplicates": {"overwrite"},  # of the file that `--csv` names
}
# What Python calls otherwise: a switch says in Python what holds, what is repeated is a list there.
SPELLED = {
    "as": "view",
    "no_links": "links",
    "no_ema": "ema",
    "no_pictures": "pictures",
    "output": "outputs",
    "endpoint": "endpoints",
}
OF_PYTHON = {"progress"}  # a terminal shows bars unless it is --quiet


def options(command):
    """The options and arguments of a command, hidden ones too, by their names."""
    app = parser()
    for word in command.name.split():
        app = app[word]
    found = set()
    for argument in app.assemble_argument_collection():
        if argument.children:
            continue
        (name, *_) = [name for name in argument.names if name.startswith("--")] or [argument.name]
        found.add(name.lstrip("-").lower().replace("-", "_"))
    return found


def called(command):
    return getattr(efficientnet_lite, command.name.replace(" ", "_").replace("-", "_"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_and_its_call_take_the_same(command):
    parameters = set(inspect.signature(called(command)).parameters)
    of_the_line = options(command) - OF_THE_TERMINAL - OF_ONE_COMMAND.get(command.name, set())

    assert {SPELLED.get(name, name) for name in of_the_line} == parameters - OF_PYTHON


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_an_option_and_its_argument_have_the_same_default(command):
    app = parser()
    for word in command.name.split():
        app = app[word]
    python = inspect.signature(called(command)).parameters

    for argument in app.assemble_argument_collection():
        (name, *_) = [name for name in argument.names if name.startswith("--")] or [argument.name]
        name = name.lstrip("-").lower().replace("-", "_")
        own = python.get(SPELLED.get(name, name))
        if argument.children or own is None or own.default in (inspect.Parameter.empty, None):
            continue
        usual = argument.field_info.default
        assert own.default == (not usual if name.startswith("no_") else usual) or not (
            own.default or usual
        ), name


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_call_holds_its_arguments_to_annotations_that_are_there(command):
    function = called(command)

    assert hasattr(function, "__wrapped__")
    for parameter in inspect.signature(inspect.unwrap(function)).parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty
        assert not isinstance(parameter.annotation, str), "it is not there to be asked while the program runs"


def test_no_option_is_left_out_of_the_tables():
    known = set().union(*(options(command) for command in COMMANDS))

    assert known >= OF_THE_TERMINAL | SPELLED.keys() | set().union(*OF_ONE_COMMAND.values())
