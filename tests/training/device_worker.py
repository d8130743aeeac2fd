"""One process of `test_devices.py`: three steps and an evaluation of a tiny network, once for each number of devices.

    device_worker.py PHOTOS FOLDER DEVICES ...

DEVICES is a number, or `all`; FOLDER/DEVICES-HOST.npz is what was found, or DEVICES-HOST.txt the error. `apart`
is the loss of a batch by itself, and that of its quarters, each with its own statistics.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from efficientnet_lite.errors import UsageError
from efficientnet_lite.network.keras_arrays import named_variables, read_parameters
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.photos.dataset import open_dataset
from efficientnet_lite.training import devices
from efficientnet_lite.training.augment import Augmentation
from efficientnet_lite.training.backend import compiled
from efficientnet_lite.training.batches import eval_batches, train_batches
from efficientnet_lite.training.examples import PhotoFiles
from efficientnet_lite.training.recipe import Recipe
from efficientnet_lite.training.step import build_network, make_step, smoothed_cross_entropy
from efficientnet_lite.training.train_state import start_state, to_arrays

SIDE, BATCH, STEPS, CLASSES = 32, 8, 3, 5
RECIPE = Recipe(train_images=24, batch=BATCH, warmup_epochs=0.0, precision="auto")


def tiny_plan():
    """Three blocks of lite0, the last with a residual that drop-connect drops: compiled in a moment."""
    whole = make_plan(VARIANTS["lite0"], size=SIDE, classes=CLASSES)
    names = [step.name for step in whole.steps]
    below, above = names.index("blocks_2/add"), names.index("head/conv")
    head = replace(whole.steps[above], source="blocks_2/add", inputs=24)
    return replace(whole, steps=(*whole.steps[: below + 1], head, *whole.steps[above + 1 :]))


def start(plan):
    keras.utils.set_random_seed(0)
    return start_state(read_parameters(build_network(plan, RECIPE)))


def batches(source, host):
    return train_batches(
        source, SIDE, Augmentation("none"), batch=BATCH, seed=0, epoch=0, workers=0, host=host
    )


def trained(source, wanted):
    """What the steps and the evaluation find, as arrays."""
    plan = tiny_plan()
    placement = devices.place(None if wanted == "all" else int(wanted), batches={"batch": BATCH})
    host = (placement.this, placement.hosts)
    assert host == devices.host()
    state = placement.state(start(plan))
    step = placement.step(make_step(plan, RECIPE))
    losses, rows = [], []
    for batch in batches(source, host):
        state, found = step(state, batch.images, batch.labels)
        losses.append(float(found.total))
        rows.append(batch.indices)
    lies_everywhere = placement.devices == 1 or all(
        value.is_fully_replicated and len(value.sharding.device_set) == placement.devices
        for value in state.weights.values()
    )
    evaluated = []
    logits_of = evaluation(plan)
    for batch in eval_batches(source, SIDE, batch=BATCH, host=host, workers=0):
        logits = logits_of(state.averages, *placement.batch(batch.images))
        logits, truth, mask, indices = placement.whole(logits, batch.labels, batch.mask, batch.indices)
        evaluated.append(np.c_[indices, truth, logits][mask])
    arrays = {f"state|{name}": value for name, value in to_arrays(placement.to_host(state)).items()}
    return arrays | {
        "devices": placement.devices,
        "host": host,
        "losses": losses,
        "rows": rows,
        "everywhere": lies_everywhere,
        "evaluated": np.concatenate(evaluated),
    }


def evaluation(plan):
    """(weights, images) -> logits, as in evaluation."""
    network = build_network(plan, RECIPE)
    values = by_name(network)
    return compiled(
        lambda weights, images: network.stateless_call(*values(weights), images / 255, training=False)[0]
    )


def by_name(network):
    """weights -> the network's trainable and other variables; seeds as they are."""
    names = {id(variable): name for name, variable in named_variables(network).items()}

    def values(weights):
        return tuple(
            [weights[names[id(each)]] if id(each) in names else each.value for each in variables]
            for variables in (network.trainable_variables, network.non_trainable_variables)
        )

    return values


def apart(source):
    """Cross entropy of the first batch in training, nothing dropped: of the whole, and the mean of its quarters'."""
    plan = tiny_plan()
    recipe = replace(RECIPE, dropout=0.0, survival=1.0)
    network = build_network(plan, recipe)
    values, weights = by_name(network), start(plan).weights

    def loss(images, labels):
        logits, _ = network.stateless_call(*values(weights), images / 255, training=True)
        return smoothed_cross_entropy(logits, keras.ops.one_hot(labels, CLASSES), recipe.label_smoothing)

    batch, part, compute = next(batches(source, (0, 1))), BATCH // 4, compiled(loss)
    quarters = [
        compute(batch.images[at : at + part], batch.labels[at : at + part]) for at in range(0, BATCH, part)
    ]
    return {"losses": [float(compute(batch.images, batch.labels)), float(np.mean(quarters))]}


def main(photos, folder, *modes):
    devices.connect(environment=os.environ, patience=120)
    dataset = open_dataset(Path(photos), to_learn=False)
    source = PhotoFiles(dataset.rows, dataset.labels)
    for mode in modes:
        path = Path(folder, f"{mode}-{devices.host()[0]}")
        try:
            found = apart(source) if mode == "apart" else trained(source, mode)
        except UsageError as error:
            path.with_suffix(".txt").write_text(str(error))
        else:
            np.savez(path.with_suffix(".npz"), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
