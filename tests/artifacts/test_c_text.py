"""Names and bytes as C: what a user called a class or a run stays a text, in C and in C++."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficientnet_lite.artifacts.firmware.c_text import c_bytes, c_float, c_string, template
from efficientnet_lite.labels import MAX_LABEL_LENGTH

HOSTILE = [
    'quo"te',
    "back\\slash",
    "ends in a backslash\\",
    '"; int main(void) { return 1; } const char *x = "',
    "*/ int y; /*",
    "// no comment",
    "??/ ??' ??( ??= trigraphs ????/",
    "a new\nline, a \r, a \t, a \0 and a \x7f",
    "line separator\u2028and paragraph\u2029",
    "Größe 靴 👟 ق",
    "\u202egnp.exe",
    "%s %n %d",
    "\\x41 \\101 \\u0041 \\N",
    "\x1f9 digits behind an escape 0ABC",
    "{{ label }} {% raw %} {# no template #}",
    "#define MODEL_BYTES 1\n#include </etc/passwd>",
    "#pragma once",
    "'",
    "?" * MAX_LABEL_LENGTH,
    "\U0001f45f" * MAX_LABEL_LENGTH,
]
PROGRAM = """
#include <stdio.h>
#include "labels.h"

int main(void)
{
    int i;

    for (i = 0; i < MODEL_LABELS; i++) {
        fputs(model_labels[i], stdout);
        putchar(0);
    }
    return 0;
}
"""
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


@needs_gcc
@pytest.mark.parametrize("language", ["c", "c++"])
def test_names_that_would_be_code_are_read_as_they_are(tmp_path, language):
    labels = [label.replace("\0", "") for label in HOSTILE]
    (tmp_path / "labels.h").write_text(template("labels.h")(classes=len(labels)))
    (tmp_path / "labels.c").write_text(template("labels.c")(labels=labels))
    (tmp_path / "main.c").write_text(PROGRAM)
    standard = ["-std=c99"] if language == "c" else ["-std=c++14"]  # with trigraphs, both of them
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
    sources = ["-x", language, "labels.c", "main.c"]

    subprocess.run(["gcc", *standard, *strict, *sources, "-o", "names"], check=True, cwd=tmp_path)

    said = subprocess.run([str(tmp_path / "names")], capture_output=True, check=True).stdout
    assert said.decode().removesuffix("\0").split("\0") == labels


@given(st.text(max_size=40))
def test_a_literal_is_one_line_of_ascii_that_gives_the_text_back(text):
    literal = c_string(text.encode(errors="ignore").decode())

    inside = literal[1:-1]
    assert literal.isascii()
    assert literal.isprintable()
    assert "??" not in literal
    # Python reads these escapes as C does.
    assert eval(f"b{literal}".replace("\\?", "?")).decode() == text.encode(errors="ignore").decode()
    assert inside.count('"') == inside.count('\\"')


@needs_gcc
def test_the_model_is_const_aligned_and_to_the_byte(tmp_path):
    data = np.random.default_rng(1).bytes(100_001)
    values = {
        "name": 'a "run" */',
        "sha256": "0" * 64,
        "model": data,
        "model_bytes": len(data),
        "classes": 3,
        "size": 96,
        "input_scale": 1 / 128,
        "input_zero_point": 127,
        "output": "probabilities",
        "output_scale": 1 / 256,
        "output_zero_point": 0,
        "runtime": "TFLite Micro",
        "arena_bytes": 1600,
        "activation_bytes": 800,
        "scratch_bytes": 100,
        "arena_with_margin": 2048,
    }
    for name in ("model.c", "model.h"):
        (tmp_path / name).write_text(template(name)(**values))
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "model.h"\n'
        "int main(void) { fwrite(model_data, 1, sizeof model_data, stdout); return (int)((uintptr_t)model_data % 16); }"
    )

    strict = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([*strict, "model.c", "main.c", "-o", "model"], check=True, cwd=tmp_path)

    done = subprocess.run([str(tmp_path / "model")], capture_output=True, check=False)
    assert done.returncode == 0  # aligned
    assert done.stdout == data
    sections = subprocess.run(
        ["nm", "model"], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    assert " R model_data" in sections  # flash, not RAM


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_number_is_read_as_the_same_float32(value):
    literal = c_float(value)

    assert literal.endswith("f")
    assert set(literal) & set(".e")  # else C would read an integer with a wrong suffix
    assert np.float32(literal.removesuffix("f")) == np.float32(value)


def test_bytes_are_decimal_in_lines_that_editors_open():
    text = c_bytes(bytes(range(256)))

    assert [int(word) for word in text.replace("\n", "").replace(" ", "").split(",")] == list(range(256))
    assert max(map(len, text.split("\n"))) <= 100
