"""The config.toml of a run: every setting that reproduces it, named as the options of `train`."""

import json
from pathlib import Path

from efficientnet_lite.storage import tables
from efficientnet_lite.training.learned import Learned
from efficientnet_lite.training.settings import FRESH, Settings
from efficientnet_lite.version import __version__
from efficientnet_lite.weights.published import NAMES


def config_toml(source: Path, settings: Settings, learned: Learned) -> str:
    """What reproduces the run on the photos of `source`, as TOML."""
    values: dict[str, object] = {
        "photos": tables.escaped(str(source.absolute())),
        "model": str(settings.model),
        "weights": _named(settings.weights),
        **({"weights_sha256": learned.weights.sha256} if learned.training is None else {}),
        "no_ema": not settings.ema,
        "val": float(settings.val),
        "seed": settings.seed,
        "views": list(settings.views),
        "class_weights": settings.class_weights,
        "calibration": settings.calibration,
        "calibration_seed": settings.calibration_seed,
        "effort": settings.effort,
        "max_drop": float(settings.bars.max_drop),
        "min_agreement": float(settings.bars.min_agreement),
        "on_bad": settings.on_bad,
        "no_links": not settings.links,
        **({"class_folders": settings.class_folders} if settings.class_folders else {}),
        "labels_locale": [
            tables.escaped(f"{locale}={file.absolute()}") for locale, file in settings.labels_locale.items()
        ],
        "efficientnet_lite": __version__,
    }
    values |= learned.config or {}
    # JSON's strings, numbers and lists of strings are TOML's too.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "# efficientnet-lite train --config makes this run again\n" + "\n".join(lines) + "\n"


def _named(weights: str) -> str:
    """`weights` as it means the same from everywhere: a name as it is, a checkpoint by its whole path."""
    return weights if weights in (*NAMES, FRESH) else tables.escaped(str(Path(weights).absolute()))
