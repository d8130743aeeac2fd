"""The steps of a plan as people name them: `stem/conv`, a whole block as `blocks_3`, `logits`."""

import difflib
from collections.abc import Sequence

from efficientnet_lite.errors import CALL, UsageError
from efficientnet_lite.network.plan import DENSE, LOGITS, Plan

MAX_SUGGESTED, LONGEST = 3, 80  # names; characters of one that is quoted


def steps_named(plan: Plan, names: Sequence[str]) -> tuple[str, ...]:
    """Names of the steps of `plan` that `names` mean, in the plan's order, each once.

    A name is that of a step ("blocks_3/depthwise", "features" for the pool), or what stands before the slash, which
    means all of those ("blocks_3", "stem"), or "logits" for "head/dense".

    Raises UsageError for one that is none of these, with those that it may mean.
    """
    steps = [step.name for step in plan.steps]
    wanted: set[str] = set()
    for name in names:
        exact = DENSE if name == LOGITS else name
        meant = {step for step in steps if step == exact or step.startswith(f"{exact}/")}
        if not meant:
            raise _unknown(name, steps)
        wanted |= meant
    return tuple(step for step in steps if step in wanted)


def _unknown(name: str, steps: Sequence[str]) -> UsageError:
    known = dict.fromkeys([*(step.partition("/")[0] for step in steps), *steps])
    near = difflib.get_close_matches(name[:LONGEST], known, n=MAX_SUGGESTED, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    quoted = repr(name[:LONGEST]) + ("..." if len(name) > LONGEST else "")
    return UsageError(
        f"the network has no layer {quoted}",
        where=CALL,
        fix=f"{hint}layers are {', '.join(steps[:3])} to {steps[-1]}; blocks_3 means every layer of that block",
    )
