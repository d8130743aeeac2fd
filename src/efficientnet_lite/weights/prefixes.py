"""The one network in a checkpoint of torch's, whatever its names are prefixed with, and what stands beside it.

    module.conv_stem.weight            parallel training
    _orig_mod.conv_stem.weight         torch.compile
    model.backbone.conv_stem.weight    a network within a network of one's own
    blocks.0._orig_mod.0.bn1.bias      a wrapper around a part of the network

A prefix is what stands before a name that lite0 to lite4 have; it may have any depth, but all names of the network
must have the same. What begins with it is judged by `fit`, and what does not is of no network: counters and
objects are passed over, the weights of a loss or a metric too, which is said; everything else is left over.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.network.naming import MARKS, Dialect, dialect_of, foreign_names, unwrapped
from efficientnet_lite.network.plan import VARIANTS, make_plan
from efficientnet_lite.weights.stored_tensors import Stored, damaged, some

MAX_TENSORS, MAX_NETWORKS = 20_000, 8  # lite4 with averages and an optimizer has 2,000
MAX_NAME = 500  # characters; each dot of a longer one would be looked at
BESIDE = re.compile(r"(.*[._])?(criterion|loss|metrics?|acc|accuracy|auroc|f1)([._].*)?", re.IGNORECASE)
AVERAGED = re.compile(r"(.*[._])?(ema|averaged|average|swa|shadow)[._].*", re.IGNORECASE)


def network_of(
    tensors: Mapping[str, Stored], *, where: Path | str, ema: bool
) -> tuple[dict[str, Stored], list[str]]:
    """The tensors of the network in torch's names, without their prefix, and sentences on what was passed over.

    Other dialects come back as they are. Of several networks the averaged one is read, or with `ema` False the
    other. Raises CheckpointError where still several are left.
    """
    dialect = dialect_of(tensors)
    if dialect not in ("timm", "lukemelas"):
        return dict(tensors), []
    if len(tensors) > MAX_TENSORS:
        raise damaged(f"it has {len(tensors):,} tensors, more than {MAX_TENSORS:,}", where)
    tensors = _unwrapped(tensors)
    groups: dict[str, dict[str, Stored]] = {}
    for name, stored in tensors.items():
        if split := _split(name, _known(dialect)):
            groups.setdefault(split[0], {})[split[1]] = stored
    networks = [
        prefix for prefix, group in groups.items() if any(MARKS[dialect] in f".{name}" for name in group)
    ]
    if not networks:
        return dict(tensors), []
    prefix = _choose(networks, where, ema=ema)
    found, beside = dict(groups[prefix]), []
    others = {other + name for other in networks if other != prefix for name in groups[other]}
    for name, stored in tensors.items():
        inside = name.startswith(prefix)
        if name in others or (inside and name[len(prefix) :] in found):
            continue
        if BESIDE.fullmatch(name) and not (prefix and inside):
            beside.append(name)
        elif not stored.dtype.real:
            continue  # counters, masks, objects
        elif inside:
            found[name[len(prefix) :]] = stored
        elif not any(name.startswith(other) for other in networks if other):
            found[name if name not in found else f"{name} (outside of {prefix})"] = stored
    notes = [f"the weights under {_said(prefix)} are read, not those under {some(map(_said, networks))}"]
    notes = notes * (len(networks) > 1)
    if beside:
        notes.append(f"passed over, since no network has it: {some(beside)}")
    return found, notes


def _unwrapped(tensors: Mapping[str, Stored]) -> Mapping[str, Stored]:
    """`tensors` without the wrappers in their names, unless two of them would have the same name then."""
    found = {unwrapped(name): stored for name, stored in tensors.items()}
    return found if len(found) == len(tensors) else tensors


@cache
def _known(dialect: Dialect) -> frozenset[str]:
    """Every name that a variant has, counters of batches included."""
    names = {
        foreign.name
        for variant in VARIANTS.values()
        for foreign in foreign_names(make_plan(variant), dialect).values()
    }
    counted = {name.removesuffix("running_var") + "num_batches_tracked" for name in names}
    return frozenset(names | {name for name in counted if name.endswith("num_batches_tracked")})


def _split(name: str, known: frozenset[str]) -> tuple[str, str] | None:
    """The shortest prefix of `name` before a known one, and that one."""
    start = 0
    while len(name) <= MAX_NAME:
        if name[start:] in known:
            return name[:start], name[start:]
        if (dot := name.find(".", start)) < 0:
            break
        start = dot + 1
    return None


def _choose(networks: list[str], where: Path | str, *, ema: bool) -> str:
    pool = [prefix for prefix in networks if bool(AVERAGED.fullmatch(prefix)) is ema] or networks
    if len(pool) > 1 or len(networks) > MAX_NETWORKS or (not ema and AVERAGED.fullmatch(pool[0])):
        raise CheckpointError(
            f"it holds {len(networks)} networks, under {some(map(_said, networks))}"
            + (", of moving averages only" if len(networks) == 1 else ""),
            where=where,
            fix="save the state_dict of the one that you mean",
        )
    return pool[0]


def _said(prefix: str) -> str:
    return prefix or "no prefix"
