#!/usr/bin/env python3
"""Write docs/python.md from what every public function says of itself.

    python scripts/make_python_page.py [--check]

With --check nothing is written, and the exit code is 1 where the page is out of date.
"""

import inspect
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import efficientnet_lite as el
from efficientnet_lite.cli.app import COMMANDS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "python.md"
WIDTH = 100
HEAD = """# Python

Made by `scripts/make_python_page.py` from the functions' own docstrings, whose examples are run by the tests.

```python
import efficientnet_lite as el

model = el.load("runs/clothing")  # what el.train("photos/", "runs/clothing", progress=True) has made
model.labels, model.classify("photo.jpg", k=3)
```

There is a function for each [command](commands.md), called as the command, whose arguments are called as its options:
`--top-k 3` is `top_k=3`. What differs:

| command line | Python | |
|---|---|---|
| `--no-links`, `--no-ema` | `links=False`, `ema=False` | |
| `--as squash` | `view="squash"` | `as` is a word of the language |
| `--output A --output B`, `--endpoint` | `outputs=["A", "B"]`, `endpoints=` | |
| `--set batch=64`, `--labels-locale de=FILE` | `set={"batch": 64}`, `labels_locale={"de": FILE}` | |
| `--json`, `--jsonl`, `--csv`, `-v`, `-q` | none | a function prints nothing, and gives what there is |
| `verify --strict` | none | `verified.verdict` says it |
| bars, unless `-q` | `progress=True` | in a terminal and in a notebook; silent by default |

**Photos** are text or `pathlib.Path`: files, folders, patterns, one or several. `model.predict`, `model.classify` and
`Embedder.embed` take pixels too: bytes, images of Pillow, arrays, tensors. A **data set** is a folder, a manifest, or a
DataFrame of pandas or polars with its columns `path`, `label` and, where parts are given, `split`; relative paths count
from the current folder, the index counts for nothing. A run on a DataFrame keeps its rows, as `photos.jsonl`, so that
it is verified and made again (`el.train(config="runs/clothing/config.toml")`) like any other.

**Failures** that can be expected are `el.EfficientNetLiteError`: `what` is wrong, `where`, and what to do about it, `fix`.
A caller's wrong type is `el.WrongType`, which is a `TypeError` too. The tree:

```text
@tree
```

**In a notebook** what `train` gives, and `el.info("runs/clothing")`, shows itself: size, accuracy and speed of both files,
what they are not proven to be, and what to do next. `trained.summary` has the same as values.
"""
METHODS = (
    *(el.Model.predict, el.Model.classify, el.Model.predict_each),
    *(el.Embedder.__init__, el.Embedder.embed, el.Embedder.embed_each),
    *(el.Vectors.__init__, el.Vectors.search),
    el.EfficientNetLiteFeatures.__init__,
)


def tree() -> str:
    """The drawing of the errors, as their module has it."""
    lines = inspect.cleandoc(sys.modules[el.UsageError.__module__].__doc__ or "").splitlines()
    first = next(number for number, line in enumerate(lines) if "EfficientNetLiteError" in line)
    last = max(number for number, line in enumerate(lines) if "──" in line)
    return textwrap.dedent("\n".join(lines[first : last + 1]))


def section(name: str, function: object) -> str:
    """Its call and what it says."""
    signature = f"{name}{inspect.signature(function)}"  # type: ignore[arg-type]  # each is a function
    call = "\n".join(textwrap.wrap(signature, WIDTH, subsequent_indent="    ", break_on_hyphens=False))
    return f"\n## {name.partition('(')[0]}\n\n```text\n{call}\n\n{inspect.getdoc(function)}\n```\n"


def page() -> str:
    functions = [name for name in el.__all__ if inspect.isfunction(getattr(el, name))]
    commands = [command.name.replace(" ", "_").replace("-", "_") for command in COMMANDS]
    functions.sort(key=lambda name: commands.index(name) if name in commands else len(commands))
    parts = [section(f"el.{name}", getattr(el, name)) for name in functions]
    methods = [section(named(each), plain(each)) for each in METHODS]
    return HEAD.replace("@tree", tree()) + "".join(parts + methods)


def named(method: Callable[..., object]) -> str:
    """What a reader calls it by: `el.Embedder`, `Embedder.embed`."""
    owner, _, name = method.__qualname__.partition(".")
    return f"el.{owner}" if name == "__init__" else f"{owner}.{name}"


def plain(method: object) -> object:
    """A method whose signature shows names and defaults alone, as those of the functions do."""
    signature = inspect.signature(method)  # type: ignore[arg-type]  # each is a function
    kept = [
        each.replace(annotation=each.empty) for name, each in signature.parameters.items() if name != "self"
    ]

    def shown() -> None: ...

    shown.__signature__ = inspect.Signature(kept)  # type: ignore[attr-defined]  # of every function
    shown.__doc__ = inspect.getdoc(method)
    if method.__name__ == "__init__":  # what the class says of itself comes first
        owner = getattr(el, method.__qualname__.partition(".")[0])
        texts = (inspect.getdoc(owner), method.__doc__ and inspect.getdoc(method))
        shown.__doc__ = "\n\n".join(filter(None, texts))
    return shown


def main() -> None:
    if "--check" in sys.argv:
        sys.exit(
            0 if PAGE.read_text(encoding="utf-8") == page() else f"{PAGE} is out of date: run this script"
        )
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
