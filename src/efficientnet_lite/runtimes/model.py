"""An opened `.tflite` or `.onnx` file: photos in, probabilities or vectors out, with the file's own preprocessing."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from efficientnet_lite import metrics
from efficientnet_lite.arrays import Array
from efficientnet_lite.errors import (
    ArtifactError,
    UnreadablePhoto,
    UsageError,
    bounded,
    printable,
    wrong_argument,
    wrong_type,
)
from efficientnet_lite.labels import ClassNames
from efficientnet_lite.network.plan import LOGITS, POOLED, PROBABILITIES
from efficientnet_lite.photos.contract import VIEWS, Contract, FitView, View
from efficientnet_lite.photos.decode import PillowImage
from efficientnet_lite.photos.given import GivenPhoto, GivenPhotos, OnePhoto, gather
from efficientnet_lite.photos.images import Refused, images_of
from efficientnet_lite.photos.views import Image, to_float
from efficientnet_lite.runtimes import litert, onnx
from efficientnet_lite.runtimes.engine import Engine, EnginePool, Tensor, cores
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.runtimes.onnx import OnnxRuntime
from efficientnet_lite.runtimes.prediction import Prediction, best_of
from efficientnet_lite.storage import files
from efficientnet_lite.tflite.identity import Identity
from efficientnet_lite.weights.imagenet import class_names, synsets_of

Outputs = dict[str, Array]

_RUNTIMES: Mapping[Callable[..., Engine], tuple[str, Callable[[], str]]] = {
    LiteRT: ("ai-edge-litert", litert.runtime_version),
    OnnxRuntime: ("onnxruntime", onnx.runtime_version),
}


@dataclass(repr=False)
class Model:
    """An opened file. Nothing runs before the first prediction.

    `labels` are in the order of the outputs, None where the file has none; `contract` is how it wants
    its photos; `identity` is what a file of ours says of itself.
    """

    where: Path | str
    data: bytes
    contract: Contract
    labels: tuple[str, ...] | None
    translations: Mapping[str, tuple[str, ...]]  # locale -> the labels in another language
    identity: Identity | None
    # Mean and std of a stranger's float input.
    normalization: tuple[tuple[float, ...], tuple[float, ...]] | None
    workers: int = field(default_factory=cores)
    open_engine: Callable[..., Engine] = LiteRT

    def __repr__(self) -> str:
        names = self.labels or ()
        first = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        classes = f"{len(names):,} classes: {first}" if names else "classes without names"
        contract = f"{self.contract.size} pixels, {self.contract.view}"
        return f"<Model {printable(str(self.where))}: {contract}, {printable(bounded(classes))}>"

    def __getstate__(self) -> dict[str, Any]:
        """All but the runners, which another process opens again."""
        return {name: value for name, value in self.__dict__.items() if name != "pool"}

    @cached_property
    def sha256(self) -> str:
        """Of the file, hex."""
        return files.sha256_bytes(self.data)

    @property
    def vector_size(self) -> int:
        """Numbers of a feature vector; the file has the output `features`."""
        return math.prod(self.outputs[POOLED].shape[1:])

    @cached_property
    def pool(self) -> EnginePool:
        """The runners, opened on first use."""
        return EnginePool(self.open_engine, self.data, workers=self.workers, where=self.where)

    @property
    def runtime(self) -> str:
        """What runs it, and its version."""
        name, version = _RUNTIMES[self.open_engine]
        return f"{name} {version()}"

    @property
    def input(self) -> Tensor:
        return self.pool.first.inputs[0]

    @property
    def outputs(self) -> dict[str, Tensor]:
        return {tensor.name: tensor for tensor in self.pool.first.outputs}

    @property
    def names(self) -> tuple[str, ...]:
        """A name for every class: its label, or its index where the file has none."""
        return self.labels or tuple(str(index) for index in range(self.classes))

    @cached_property
    def synsets(self) -> tuple[str, ...] | None:
        """The WordNet id of every class, in the order of `labels`; None where they are not ImageNet's."""
        return synsets_of(self.labels)

    @property
    def class_names(self) -> ClassNames:
        """The classes as people write them: of ImageNet's the synset and the bare name too."""
        return class_names(self.names)

    def names_in(self, locale: str) -> tuple[str, ...]:
        """The labels in another language; raises UsageError where the file has none in it."""
        if locale not in self.translations:
            known = ", ".join(self.translations) or "none"
            raise UsageError(
                f"the file has no class names in {locale!r}", where=self.where, fix=f"known: {known}"
            )
        return self.translations[locale]

    @property
    def precision(self) -> str:
        """What a file of ours says; of a stranger's, what its input is."""
        if self.identity is not None:
            return self.identity.precision
        return "float32" if self.input.dtype == np.float32 else "int8"

    def run(self, inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """The raw outputs, codes as they are, for raw inputs of the file's dtype.

        Args:
            inputs: (N, S, S, 3), or one of (S, S, 3), in the file's own dtype.

        Returns:
            Output name -> (N, ...).

        Raises:
            ValueError: another dtype or shape.
        """
        shape = self.input.shape[1:]
        batch = inputs[None] if inputs.shape == shape else inputs
        if batch.dtype != self.input.dtype or batch.shape[1:] != shape:
            raise ValueError(
                f"expected {self.input.dtype} of shape (N, {', '.join(map(str, shape))}), "
                f"got {inputs.dtype} {inputs.shape}"
            )
        results = list(self.pool.map(lambda runner, one: runner(one[None]), batch))
        return {
            name: np.concatenate([result[name] for result in results])
            if results
            else np.empty((0, *tensor.shape[1:]), tensor.dtype)
            for name, tensor in self.outputs.items()
        }

    @overload
    def classify(
        self, photos: str | PathLike[str] | bytes | PillowImage, k: int = 5, *, view: "View | None" = None
    ) -> tuple[Prediction, ...]: ...
    @overload
    def classify(
        self, photos: list[OnePhoto], k: int = 5, *, view: "View | None" = None
    ) -> list[tuple[Prediction, ...]]: ...
    @overload
    def classify(
        self, photos: "GivenPhotos", k: int = 5, *, view: "View | None" = None
    ) -> tuple[Prediction, ...] | list[tuple[Prediction, ...]]: ...
    def classify(
        self, photos: "GivenPhotos", k: int = 5, *, view: "View | None" = None
    ) -> "tuple[Prediction, ...] | list[tuple[Prediction, ...]]":
        """The `k` most probable classes of a photo with their probabilities, the surest first.

        Of several photos, what `predict` takes for several, a list with an entry for each. Raises what `predict`
        does, and UsageError where `k` is no such number.

        Example:
            >>> import efficientnet_lite as el
            >>> best = el.load("runs/clothing").classify("photo.jpg")[0]
            >>> best.label, best.probability > 0.5
            ('shirt', True)
        """
        if isinstance(k, bool) or not isinstance(k, int | np.integer):
            raise wrong_type("k", k, fix="give how many classes are wanted, 5 for example")
        if k < 1:
            raise wrong_argument("k", k, fix="give how many classes are wanted, 1 or more")
        gathered, names = gather(photos), self.names
        found = [best_of(row, k, names, self.synsets) for row in self._sure(gathered.photos, view)]
        return found[0] if gathered.single else found

    def predict(self, photos: "GivenPhotos", *, view: "View | None" = None) -> "Array":
        """Probabilities of each photo's classes, float32 (N, classes), each row in the order of `labels`.

        Args:
            photos: one, or several: a list, a generator, a pandas Series of paths, a batch. A photo is

                - a path, `str` or `Path`;
                - an encoded photo: `bytes`, or a binary file;
                - an image of Pillow, turned as its EXIF says, transparency painted on white;
                - an array, or a tensor of torch, TensorFlow or another library with `__array__`: gray (H, W) or
                  (H, W, 1), RGB (H, W, 3) or RGBA (H, W, 4), uint8, or floats in [0, 1], which are rounded to 256
                  levels; (N, H, W, C) is a batch. OpenCV's are BGR: `array[..., ::-1]`.

                Equal pixels give equal rows, in whichever form they come; of a photo, Pillow's and ours are equal.
                Only a large JPEG is decoded at a fraction of its size from a path or bytes, and whole by Pillow: of
                30 with a long side of 4,000 pixels no probability moved by more than 0.018.
            view: how the photo is looked at; the contract's own way where None.

        Raises:
            WrongType: what is no photo; pixels of another type, as of a mask; a tensor that its library does not
                give out (on a GPU, with gradients).
            UnreadablePhoto: one of the photos cannot be used: damaged, channels first, floats beyond [0, 1], NaN.
                `predict_each` goes on instead.
            ArtifactError: the file has no output over classes.

        Example:
            >>> import efficientnet_lite as el
            >>> import numpy as np
            >>> model = el.load("runs/clothing")
            >>> model.predict("photo.jpg").shape
            (1, 3)
            >>> model.predict(np.zeros((8, 48, 64, 3), np.uint8)).shape
            (8, 3)
        """
        rows = list(self._sure(gather(photos).photos, view))
        return np.stack(rows) if rows else np.empty((0, self.classes), np.float32)

    def _sure(self, photos: Iterable[GivenPhoto], view: View | None) -> Iterator[Array]:
        """The probabilities of each; raises UnreadablePhoto for the first that cannot be used."""
        for outcome in self._each(photos, view):
            if isinstance(outcome, Refused):
                raise UnreadablePhoto(outcome.reason, where=outcome.where, fix=outcome.fix)
            yield outcome

    def predict_each(self, photos: "GivenPhotos", *, view: "View | None" = None) -> Iterator[Array | Refused]:
        """Like `predict`, one photo after another, (classes,), and the reason where one cannot be used.

        Example:
            >>> import efficientnet_lite as el
            >>> found = el.load("runs/clothing").predict_each(["photo.jpg", "gone.jpg"])
            >>> [getattr(each, "reason", "three numbers") for each in found]
            ['three numbers', 'it cannot be read: No such file or directory']
        """
        return self._each(gather(photos).photos, view)

    def _each(self, photos: Iterable[GivenPhoto], view: View | None) -> Iterator[Array | Refused]:
        if view not in (None, *VIEWS):
            raise wrong_argument("view", view, fix=f"give {', '.join(VIEWS)}")
        self.check_classes()
        for outcome in self._look(photos, (view or self.contract.view,)):
            yield outcome if isinstance(outcome, Refused) else self.probabilities(outcome[0])

    def look(
        self, photos: "GivenPhotos", views: Sequence[View | FitView]
    ) -> Iterator[tuple[Outputs, ...] | Refused]:
        """Every output as reals, for each view of each photo: {name: (C,)}. Each is decoded once."""
        return self._look(gather(photos).photos, views)

    def _look(
        self, photos: Iterable[GivenPhoto], views: Sequence[View | FitView]
    ) -> Iterator[tuple[Outputs, ...] | Refused]:
        def one(runner: Engine, given: GivenPhoto) -> tuple[Outputs, ...] | Refused:
            images = images_of(given, views, self.contract)
            if isinstance(images, Refused):
                return images
            return tuple(self.on_image(runner, image) for image in images)

        return self.pool.map(one, photos)

    def on_image(self, runner: Engine, image: Image) -> Outputs:
        """Every output as reals, {name: (C,)}, for one prepared image of the contract's size."""
        codes = runner.filled(lambda given: self._encode_into(image, given[0]))
        return {tensor.name: tensor.reals(codes[tensor.name][0]).ravel() for tensor in runner.outputs}

    def _encode_into(self, image: Image, given: npt.NDArray[Any]) -> None:
        """What `encode` gives, in an array that is there."""
        if given.dtype == np.float32 and self.normalization is None:
            to_float(image, given)
        else:
            given[...] = self.encode(image)

    def encode(self, image: Image) -> npt.NDArray[Any]:
        """A prepared image, uint8 or float32 in 0..255, as the file's input."""
        if self.input.dtype == np.float32:
            if self.normalization is None:
                return to_float(image)
            mean, std = (np.array(values, np.float32) for values in self.normalization)
            return np.asarray((image - mean) / std, np.float32)
        pixels = image if image.dtype == np.uint8 else np.clip(np.rint(image), 0, 255).astype(np.uint8)
        return pixels if self.input.dtype == np.uint8 else (pixels.astype(np.int16) - 128).astype(np.int8)

    def probabilities(self, outputs: Outputs) -> Array:
        """The probabilities among `outputs`, computed from the logits where the file gives only those."""
        if LOGITS in outputs and PROBABILITIES not in outputs:
            return metrics.softmax(outputs[LOGITS])
        return outputs[self._class_output]

    def scores(self, outputs: Outputs) -> Array:
        """Logits where the file has them, else probabilities: what the gate compares."""
        return outputs[LOGITS] if LOGITS in outputs else outputs[self._class_output]

    @property
    def _class_outputs(self) -> list[str]:
        """All but features and, in a file of ours, feature maps."""
        own = () if self.identity is None else self.identity.outputs
        return [name for name in self.outputs if name != POOLED and not (name in own and "/" in name)]

    @property
    def _class_output(self) -> str:
        """The output over classes; a stranger's has any name."""
        names = self._class_outputs
        return next((name for name in (PROBABILITIES, LOGITS) if name in names), names[0] if names else "")

    @property
    def classes(self) -> int:
        """Number of classes."""
        self.check_classes()
        return int(np.prod(self.outputs[self._class_output].shape[1:]))

    def check_classes(self) -> None:
        """Raises ArtifactError where the file ends at the features, or has no score for each class."""
        if not self._class_outputs:
            raise ArtifactError(
                "this file gives feature vectors, not classes",
                where=self.where,
                fix="use `embed`, or export with `outputs=['probabilities']`",
            )
        shape = self.outputs[self._class_output].shape
        if sum(side != 1 for side in shape) > 1:
            raise ArtifactError(
                f"its output has the shape {shape}, expected (1, classes)",
                where=self.where,
                fix="give a file for image classification",
            )
        if self.labels is not None and len(self.labels) != np.prod(shape):
            raise ArtifactError(
                f"it has {len(self.labels)} labels for {np.prod(shape)} classes",
                where=self.where,
                fix="get or export the file again",
            )
