"""Which of the state dicts in a checkpoint of torch's is read: people keep several, one within another.

    averaged   state_dict_ema, model_ema, ema ...     preferred, unless the raw weights are asked for
    raw        state_dict, model_state_dict, model, net ...
    neither    the file's own entries are the weights
    others     best_model, student, callbacks.EMA.weights ...: a network under any other key, if it is the only one

Within these a state dict may lie deeper: `checkpoint["model"]["state_dict"]`. Of several of one kind the first of
the lists below is read; a state dict with the names of an EfficientNet goes before one without.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficientnet_lite.errors import CheckpointError
from efficientnet_lite.network.naming import dialect_of
from efficientnet_lite.weights.stored_tensors import some
from efficientnet_lite.weights.torch_objects import TorchTensor, Unknown
from efficientnet_lite.weights.unpickle import STATE_DICT_ONLY

AVERAGED = (
    "state_dict_ema",
    "model_state_dict_ema",
    "model_ema_state_dict",
    "ema_state_dict",
    "ema_model_state_dict",
    "model_ema",
    "ema_model",
    "ema",
)
RAW = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "net_state_dict",
    "module",
    "weights",
    "params",
    "shadow",
)
LISTED = frozenset(AVERAGED + RAW)
OTHER_AVERAGED = re.compile(r"(.*[^a-z])?(ema|averaged?|swa)([^a-z].*)?", re.IGNORECASE | re.DOTALL)
MAX_DEPTH, MAX_KEY = 4, 100


@dataclass(frozen=True, slots=True)
class _Candidate:
    place: tuple[str, ...]  # keys from the file's root
    entries: dict[Any, Any]

    @property
    def listed(self) -> bool:
        return all(key in LISTED for key in self.place)

    @property
    def averaged(self) -> bool:
        return any(
            key in AVERAGED or (key not in RAW and OTHER_AVERAGED.fullmatch(key[:MAX_KEY]))
            for key in self.place
        )

    def order(self, number: int, *, ema: bool) -> tuple[bool, int, int]:
        """The least is read: number `number` in the file."""
        return self.averaged is not ema, 2 if not self.listed else 1 if not self.place else 0, number


def choose(root: object, where: Path | str, *, ema: bool) -> tuple[dict[str, Any], str]:
    """The entries of the state dict to read, and what was chosen.

    The second is "" where the file holds one state dict only. Raises CheckpointError where there is none.
    """
    every = list(_candidates(root))
    known = [each for each in every if dialect_of(name for name in each.entries if type(name) is str)]
    found = known or [each for each in every if each.listed]
    pool = found
    if not ema and pool and not (pool := [each for each in pool if not each.averaged]):
        raise CheckpointError(
            f"the weights are there as moving averages only: {_said(found[0])}",
            where=where,
            fix="read it with the moving averages (ema)",
        )
    if not pool:
        raise _none(root, where)
    ranked = sorted(each.order(number, ema=ema) for number, each in enumerate(pool))
    best = pool[ranked[0][2]]
    if not best.listed and len(ranked) > 1 and ranked[0][:2] == ranked[1][:2]:
        raise CheckpointError(
            f"it holds {len(pool)} networks, under {some(map(_said, pool))}",
            where=where,
            fix="save the state_dict of the one that you mean",
        )
    names = [_said(each) for each in found if each is not best]
    chosen = f"{_said(best)} is read, not {some(names)}" if names else ""
    return {name: value for name, value in best.entries.items() if type(name) is str}, chosen


def _candidates(root: object) -> Iterator[_Candidate]:
    """Every dict with a tensor in it, in the order of preference, the averaged ones first."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), root)]
    seen = set()
    while waiting:
        place, value = waiting.pop()
        if not isinstance(value, dict) or id(value) in seen:
            continue
        seen.add(id(value))
        inner = [key for key in (*AVERAGED, *RAW) if isinstance(value.get(key), dict)]
        inner += [
            key
            for key, each in value.items()
            if type(key) is str and isinstance(each, dict) and key not in LISTED
        ]
        if len(place) < MAX_DEPTH:
            waiting += [((*place, key), value[key]) for key in reversed(inner)]
        if any(isinstance(each, TorchTensor) for each in value.values()):
            yield _Candidate(place, value)


def _said(candidate: _Candidate) -> str:
    return ".".join(candidate.place) or "the file's own entries"


def _none(root: object, where: Path | str) -> CheckpointError:
    """The error for a file without a state dict, which says what it holds."""
    if isinstance(root, dict):
        inner = [(key, root[key]) for key in (*AVERAGED, *RAW) if isinstance(root.get(key), Unknown)]
    else:
        inner = [("", root)] if isinstance(root, Unknown) else []
    if inner:
        key, value = inner[0]
        what = f"the file's {key} is" if key else "the file holds"
        return CheckpointError(
            f"{what} a whole object, '{value.name}', which was not executed, expected a state dict",
            where=where,
            fix=STATE_DICT_ONLY,
        )
    if isinstance(root, dict) and root:
        return CheckpointError(
            f"the state dict has entries that are no tensors: {some(map(str, root))}",
            where=where,
            fix=STATE_DICT_ONLY,
        )
    return CheckpointError(
        f"the file holds {type(root).__name__}, expected a state dict with names and tensors",
        where=where,
        fix=STATE_DICT_ONLY,
    )
