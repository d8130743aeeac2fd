"""`info RUN` ends with the boards on which it fits."""

import json

from efficientnet_lite.chips.boards import BOARDS
from efficientnet_lite.cli.app import run


def test_info_of_a_run_ends_with_the_boards(trained, capsys):
    run(["info", str(trained.run)])
    lines = capsys.readouterr().out.splitlines()
    run(["info", str(trained.run), "--json"])
    boards = json.loads(capsys.readouterr().out)["boards"]

    assert [line.split("  ")[0] for line in lines[-3:-1]] == ["fits on", "too large for"]
    assert "OpenMV AE3 (ethos-u55-256)" in lines[-3]
    assert lines[-1].endswith("--target ethos-u55-256")
    assert [each["board"]["name"] for each in boards] == [each.name for each in BOARDS]
