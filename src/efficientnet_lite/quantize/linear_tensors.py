"""Which tensors are linear, and which of them hang together."""

from efficientnet_lite.network.plan import Add, Conv, Dense, Plan, Softmax, Step


def is_linear(step: Step) -> bool:
    """Whether the step's output has a range to be measured; ReLU6 gives [0, 6], and the pool keeps it."""
    return isinstance(step, Add) or (isinstance(step, Conv) and not step.relu6)


def inner_steps(plan: Plan) -> list[Step]:
    """The steps up to the feature vector: what does not depend on the head."""
    return [step for step in plan.steps if not isinstance(step, Dense | Softmax)]


def residual_groups(plan: Plan) -> list[set[str]]:
    """The linear tensors in groups that additions tie together: one factor a channel for all of a group."""
    groups: dict[str, set[str]] = {}
    for step in plan.steps:
        if not is_linear(step):
            continue
        group = {step.name}
        if isinstance(step, Add):
            group |= groups[step.source] | groups[step.skip]
        for name in group:
            groups[name] = group
    return list({id(group): group for group in groups.values()}.values())
