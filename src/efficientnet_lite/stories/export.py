"""`export`: a run, a checkpoint or published weights -> one .tflite file, proven before it gets its name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from efficientnet_lite.contract import BaseView
from efficientnet_lite.doors import files
from efficientnet_lite.doors.cache import Cache
from efficientnet_lite.doors.dataset import list_photos
from efficientnet_lite.doors.litert import cores
from efficientnet_lite.errors import UnusableInput, UsageError, VerificationFailed
from efficientnet_lite.forward import Layer
from efficientnet_lite.inference.predict import Model, model_from_bytes
from efficientnet_lite.inference.verify import MIN_AGREEMENT, Bars, Comparison, compare, require
from efficientnet_lite.quantize.recipe import quantize_head
from efficientnet_lite.spec import DENSE, POOLED, Plan
from efficientnet_lite.stories import calibration
from efficientnet_lite.stories.exported import Exported
from efficientnet_lite.stories.origin import Origin, open_origin
from efficientnet_lite.stories.parity import Parity, fixed_inputs, numpy_outputs, parity
from efficientnet_lite.stories.progress import OnProgress, Stage, silent
from efficientnet_lite.stories.translations import read_translations
from efficientnet_lite.tflite.artifact import About, float_artifact, int8_artifact
from efficientnet_lite.tflite.quantized import IntegerNetwork
from efficientnet_lite.tflite.write import Output

Array = npt.NDArray[np.float32]
Images = Sequence[npt.NDArray[np.uint8]]

VIEWS: tuple[BaseView, ...] = ("crop", "squash")  # of the photos for calibration and proof, in turn
MIN_SNR_DB = 15.0  # of logits or features, int8 against float; healthy files have 20 and more
FEWEST_KEPT_BACK = 50  # photos; with fewer left beside the calibration, two halves prove each other
MOST_KEPT_BACK = 500
OUTPUTS: tuple[Output, ...] = ("probabilities", "logits", "features")


def export(
    source: str | Path,
    out: str | Path,
    *,
    precision: str = "float32",
    outputs: Sequence[Output] = ("probabilities",),
    data: str | Path | None = None,
    model: str | None = None,
    weights: str | Path = "imagenet",
    ema: bool = True,
    calibration_photos: int = calibration.PHOTOS,
    min_agreement: float = MIN_AGREEMENT,
    labels_locale: Mapping[str, Path] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    stage: Stage = silent,
) -> Exported:
    """Write one .tflite file and prove it: the float32 file against numpy, the int8 file against float.

    Args:
        source: a run folder, a checkpoint, or a model such as "lite1"; see `origin.open_origin`.
        out: the file to write.
        precision: "float32" or "int8".
        outputs: of "probabilities", "logits" and "features", in the file's order.
        data: for int8, a folder of photos like those that the model will see; no labels are needed.
        model, weights, ema: see `origin.open_origin`.
        calibration_photos: how many of them set the ranges; the others prove the file.
        overwrite: replace an existing file.

    Raises:
        UsageError: the call cannot be carried out as it is.
        VerificationFailed: the file is too far from its parent; nothing is published.
    """
    out = Path(out)
    _check(out, precision, outputs, data, overwrite)
    if calibration_photos < 1:
        raise UsageError(
            f"--calibration is {calibration_photos}", where="the command line", fix="give at least 1 photo"
        )
    bars = Bars(min_agreement=min_agreement)
    bars.check()
    origin = open_origin(source, model=model, weights=weights, ema=ema)
    if origin.plan.classes is None and tuple(outputs) != ("features",):
        raise UsageError("these weights end at the features", where=str(source), fix="give --output features")
    translations = read_translations(labels_locale or {}, origin.labels or ())
    about = About(origin.contract, origin.sha256, origin.license, tuple(outputs), origin.labels, translations)
    layers, workers = origin.layers(), workers or cores()
    with stage("Checking the float file") as on_progress:
        float_data = float_artifact(origin.plan, layers, about)
        parent = model_from_bytes(float_data, where=out, workers=workers)
        nearness = float_parity(parent, origin.plan, layers)
        on_progress(1, 1)
    nearness.require(what="the float32 file", where=out)
    comparison, crossed, result = None, False, float_data
    if precision == "int8":
        assert data is not None  # _check demands it
        images = _images(Path(data), origin, calibration_photos, workers)
        with Cache() as cache:
            maker = Int8Maker(origin, layers, about, parent, cache, workers, out)
            result, comparison, crossed = maker.make(images, calibration_photos, stage)
            cache.prune()
        require_int8(comparison, bars, tuple(outputs), out)
    with files.locked(out):
        if out.exists() and not overwrite:
            raise _exists(out)
        files.publish(out, result)
    return Exported(
        path=out.absolute(),
        format="tflite",
        precision=precision,
        outputs=tuple(outputs),
        bytes=len(result),
        sha256=files.sha256_bytes(result),
        parity=nearness,
        comparison=comparison,
        cross_fitted=crossed,
    )


def _check(
    out: Path, precision: str, outputs: Sequence[Output], data: str | Path | None, overwrite: bool
) -> None:
    """Refuse what cannot work, before any work is done."""
    where = "the command line"
    if precision not in ("float32", "int8"):
        raise UsageError(f"no such precision: {precision}", where=where, fix="give float32 or int8")
    if not outputs or len(set(outputs)) != len(outputs) or not set(outputs) <= set(OUTPUTS):
        raise UsageError(
            f"outputs {list(outputs)} cannot be", where=where, fix=f"give some of {', '.join(OUTPUTS)}"
        )
    if precision == "int8" and data is None:
        raise UsageError(
            "int8 needs photos to set its ranges",
            where=where,
            fix="give --data FOLDER, with photos like those that the model will see; labels are not needed",
        )
    if out.is_dir():
        raise UsageError(
            "the target is a folder", where=out, fix="give the name of a file, such as model.tflite"
        )
    if out.exists() and not overwrite:
        raise _exists(out)
    if not out.absolute().parent.is_dir():
        raise UsageError("the target's folder does not exist", where=out.parent, fix="make it first")


def _exists(out: Path) -> UsageError:
    return UsageError("the target exists", where=out, fix="choose another --out, or give --overwrite")


def float_parity(model: Model, plan: Plan, layers: Mapping[str, Layer]) -> Parity:
    """The outputs of the float file against the numpy run, over `fixed_inputs`."""
    images = fixed_inputs(plan.size)
    found = model.run(np.stack([model.encode(image) for image in images]))
    return parity(found, numpy_outputs(plan, layers, images))


def _images(data: Path, origin: Origin, count: int, workers: int) -> list[npt.NDArray[np.uint8]]:
    """The images for calibration and proof: from every folder in turn, in an order that contents decide.

    Each content once, or a copy of a photo that calibrated would prove the file.
    """
    paths = [path for path, _ in list_photos([data]).photos]
    by_content: dict[str, Path] = {}
    for path in paths:
        by_content.setdefault(files.sha256_file(path), path)
    photos = list(by_content.values())
    chosen = calibration.stratified(
        [str(path.parent) for path in photos], list(by_content), count + MOST_KEPT_BACK
    )
    photos = [photos[place] for place in chosen]
    images = calibration.calibration_images(photos, origin.contract, VIEWS, workers=workers) if photos else []
    if len(images) < 2:
        raise UnusableInput(
            f"{len(images)} of {len(paths)} photos can be used, and no copies count: int8 needs 2 to be made "
            "and proven, and 100 to be good",
            where=data,
            fix="give a folder with photos like those that the model will see",
        )
    return images


@dataclass(frozen=True, slots=True)
class Int8Maker:
    """Makes the int8 file and compares it with its parent on photos that did not calibrate it."""

    origin: Origin
    layers: Mapping[str, Layer]
    about: About
    parent: Model
    cache: Cache
    workers: int
    out: Path

    def make(self, images: Images, count: int, stage: Stage) -> tuple[bytes, Comparison, bool]:
        """The file, its comparison, and whether that had to be cross-fitted."""
        calibrating, kept_back = images[:count], images[count:]
        crossed = len(kept_back) < min(FEWEST_KEPT_BACK, count)
        if crossed:
            calibrating = images
        with stage("Quantizing to int8") as on_progress:
            data = self._write(calibrating, on_progress)
        if not crossed:
            with stage("Comparing with float") as on_progress:
                pairs = self._scores(data, kept_back, on_progress)
        else:
            halves = (images[::2], images[1::2])
            pairs = []
            for fit, judged in (halves, halves[::-1]):
                with stage("Quantizing from one half, comparing on the other") as on_progress:
                    pairs += self._scores(self._write(fit, on_progress), judged, on_progress)
        true, found = (np.stack(scores) for scores in zip(*pairs, strict=True))
        return data, compare(true, found, None, "crop"), crossed

    def _write(self, images: Images, on_progress: OnProgress) -> bytes:
        plan = self.origin.plan
        backbone = calibration.quantized_backbone(
            plan, self.layers, images, self.cache, workers=self.workers, on_progress=on_progress
        )
        network: IntegerNetwork = backbone.network
        if plan.classes is not None:
            network = quantize_head(backbone, self.layers[DENSE])
        return int8_artifact(plan, network, self.about)

    def _scores(self, data: bytes, images: Images, on_progress: OnProgress) -> list[tuple[Array, Array]]:
        """(float, int8) scores of each image: logits, else probabilities, else features."""
        child = model_from_bytes(data, where=self.out, workers=self.workers)
        pairs = []
        for done, image in enumerate(images, 1):
            both = []
            for model in (self.parent, child):
                with model.pool.borrowed() as runner:
                    outputs = model.on_image(runner, image)
                both.append(outputs[POOLED] if self.about.outputs == (POOLED,) else model.scores(outputs))
            pairs.append((both[0], both[1]))
            on_progress(done, len(images))
        return pairs


def require_int8(comparison: Comparison, bars: Bars, outputs: tuple[Output, ...], out: Path) -> None:
    if outputs != ("features",):
        require([comparison], bars, where=out)
    if outputs != ("probabilities",) and not comparison.snr_db >= MIN_SNR_DB:
        raise VerificationFailed(
            f"the int8 file is {comparison.snr_db:.1f} dB from its float parent, "
            f"fewer than {MIN_SNR_DB:g}, on {comparison.count} photos, so nothing is published",
            where=out,
            fix="give photos like those that the model will see (--data)",
        )
