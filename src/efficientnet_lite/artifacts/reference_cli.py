"""The files of the reference's own script, `export_model.py`, with its meaning.

A float input is normalized already, (x - 127) / 128; an int8 file has uint8 input and output; the output is the
softmax, or the endpoint that was asked for; one image. None has a golden file.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from efficientnet_lite import extras
from efficientnet_lite.arrays import Array
from efficientnet_lite.artifacts import saved_model, tflite
from efficientnet_lite.artifacts.exported import Exported
from efficientnet_lite.artifacts.kind import ArtifactKind, Making, NewArtifact
from efficientnet_lite.artifacts.reduced import Int8Maker, twin
from efficientnet_lite.artifacts.sample import MOST_KEPT_BACK, Sample
from efficientnet_lite.artifacts.tflite import about_of, exported_file, output_names, outputs_of
from efficientnet_lite.errors import VerificationFailed
from efficientnet_lite.photos.contract import MEAN, STDDEV, Contract
from efficientnet_lite.photos.views import Image
from efficientnet_lite.proof.gate import Bars
from efficientnet_lite.proof.parity import parity
from efficientnet_lite.runtimes.engine import cores
from efficientnet_lite.runtimes.litert import LiteRT
from efficientnet_lite.runtimes.model_files import model_from_bytes
from efficientnet_lite.storage import files
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.tflite.artifact import INT8, Form, float_artifact

SampleOf = Callable[[Contract, int], Sample]  # at most so many images, as the contract prepares them
NORMALIZED = Form(normalized_input=True)


def outputs_asked_for(making: Making) -> tuple[str, ...]:
    """The softmax, or the endpoint."""
    endpoints = making.options.endpoints or ()
    return output_names(making.origin, () if endpoints else ("probabilities",), endpoints)


def write_float(making: Making, place: Path) -> NewArtifact:
    """The float file."""
    origin, out = making.origin, making.out
    about = about_of(origin, outputs_asked_for(making))
    with making.stage("Checking the float file") as on_progress:
        data = float_artifact(origin.plan, making.layers, about, NORMALIZED)
        runner = LiteRT(data, where=out)
        rows = [runner(one[None]) for one in _normalized(making.images)]
        found = {name: np.concatenate([row[name] for row in rows]) for name in about.outputs}
        nearness = parity(found, making.wanted)
        on_progress(1, 1)
    nearness.require(what="the float32 file", where=out)
    files.publish(place, data)
    return NewArtifact(exported_file(out, NORMALIZED, about.outputs, nearness), None)


def write_int8(making: Making, place: Path, *, sample_of: SampleOf, count: int) -> NewArtifact:
    """The integer file; `count` photos set the ranges, others prove it."""
    origin, out, workers = making.origin, making.out, making.options.workers or cores()
    about = about_of(origin, outputs_asked_for(making))
    parent_data = float_artifact(origin.plan, making.layers, twin(about))
    parent = model_from_bytes(parent_data, where=out, workers=workers)
    nearness = parity(outputs_of(parent, making.images), making.wanted)
    nearness.require(what="the float32 file", where=out)
    with making.stage("Reading the photos") as on_progress:
        sample = sample_of(origin.contract, count + MOST_KEPT_BACK)
        on_progress(1, 1)
    with Cache() as cache:
        maker = Int8Maker(origin, making.layers, about, parent, cache, workers, out, INT8)
        reduced = maker.make(sample, count, making.stage)
        cache.prune()
    try:
        reduced.require("int8", about.outputs, Bars(), out)
    except VerificationFailed as error:  # its advice names the options of `export`
        fix = "give more photos, like those that the model will see (`data_dir=`, `num_steps=`)"
        raise VerificationFailed(error.what, where=out, fix=fix) from error
    files.publish(place, reduced.data)
    return NewArtifact(exported_file(out, INT8, about.outputs, nearness, reduced), None)


def write_saved_model(making: Making, place: Path) -> NewArtifact:
    """The SavedModel, once its signature has given what numpy gives."""
    out, (name,) = making.out, outputs_asked_for(making)
    with extras.needed("a SavedModel needs TensorFlow, which is not installed", where=out):
        from efficientnet_lite.artifacts import reference_graph
    with making.stage("Writing the SavedModel") as on_progress:
        reference_graph.write_saved_model(making.origin.plan, making.layers, name, place)
        rows = [reference_graph.run_saved_model(place, one[None]) for one in _normalized(making.images)]
        nearness = parity({name: np.concatenate(rows)}, making.wanted)
        nearness.require(what="the SavedModel", where=out)
        on_progress(1, 1)
    exported = Exported(
        path=out.absolute(), format=saved_model.FORMAT, precision="float32", outputs=(name,), parity=nearness
    )
    return NewArtifact(exported, None)


def _normalized(images: Image) -> Array:
    normalized: Array = (images.astype(np.float32) - MEAN) / np.float32(STDDEV)
    return normalized


FLOAT = replace(tflite.KIND, write=write_float, golden=False)
SAVED_MODEL = replace(saved_model.KIND, write=write_saved_model, golden=False)


def int8_kind(sample_of: SampleOf, count: int) -> ArtifactKind:
    """The integer file, of which `count` of the photos that `sample_of` gives set the ranges."""
    return replace(FLOAT, write=partial(write_int8, sample_of=sample_of, count=count))
