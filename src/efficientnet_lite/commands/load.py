"""`load`: a model to predict with; no command of the command line, which opens what it is given by itself."""

from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.run.source import PUBLISHED, open_source
from efficientnet_lite.runtimes.engine import chosen_workers
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.vocabulary import RunPrecision


@called
def load(
    model: str | Path,
    *,
    weights: str | Path = PUBLISHED,
    ema: bool = True,
    precision: RunPrecision | None = None,
    workers: int | None = None,
) -> Model:
    """Open a model that predicts: a file, a run, a checkpoint, or a name.

    Args:
        model: a `.tflite` or `.onnx` file, a run folder, a checkpoint, or a
            name such as "lite1" or "lite4@300". A path that exists wins over a
            name.
        weights: for a name: "imagenet" (installed packages), "hub" (download),
            or the path of a checkpoint.
        ema: of a checkpoint that has both, read the moving averages rather than
            the raw weights.
        precision: of a run, which file to use, "float32" or "int8"; int8 where
            None. A name or a checkpoint is float32.
        workers: photos under way at once; one for each core where None.

    Returns:
        The model. It has `labels`, `contract`, `predict` and `classify`.

    Raises:
        UsageError: no such name, or `weights` or `precision` for something that
            has its own.
        UnusableInput: there is no such file.
        ArtifactError: the file, run or checkpoint is damaged or of the wrong
            kind, or the weights are not on this machine.

    Example:
        >>> import efficientnet_lite as el
        >>> model = el.load("runs/clothing")
        >>> model.labels
        ('shirt', 'shoes', 'trousers')
        >>> model.predict(["photo.jpg", "photos/shoes/01.jpg"]).shape
        (2, 3)
        >>> model.classify("photo.jpg")[0].label
        'shirt'
    """
    return open_source(model, weights=weights, ema=ema, precision=precision, workers=chosen_workers(workers))
