"""The nodes of a cluster: how many calls they take at once, and whether all of them can take any."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from efficientnet_lite.cluster.looking import SAME
from efficientnet_lite.cluster.versions import OURS, Versions, told_differences
from efficientnet_lite.errors import UsageError
from efficientnet_lite.notices import LOG

MOST_THREADS = 8  # of a call; more share Python's lock
ANSWER_S = 60.0  # in which a node says what it has
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Node:
    """One that is up."""

    id: str
    name: str  # its address, as people know it
    cpus: int


def nodes_up() -> list[Node]:
    """Those that are up now."""
    import ray

    return [
        Node(each["NodeID"], each["NodeManagerAddress"], int(each["Resources"].get("CPU", 0)))
        for each in ray.nodes()
        if each["Alive"]
    ]


def threads_a_call(cpus: Sequence[int]) -> int:
    """How many cores a call takes, of nodes with so many: that which leaves the fewest idle, then the most.

    Threads of one process share a model and its start; see docs/decisions/0008.
    """
    return max(range(1, MOST_THREADS + 1), key=lambda each: (sum(_used(cpu, each) for cpu in cpus), each))


def calls_at_once(nodes: Sequence[Node], threads: int) -> int:
    """How many calls of so many threads these nodes carry out at once."""
    return sum(node.cpus // threads for node in nodes)


def check_nodes(nodes: Sequence[Node], runtime: str, versions: Versions) -> None:
    """Ask every node what it has installed.

    Raises UsageError where one has not this package, or other versions: vectors of two kinds must not mix.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = {
        ray.remote(_question())
        .options(
            num_cpus=0, max_retries=2, scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)
        )
        .remote(runtime): node
        for node in nodes
    }
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_S)
    if silent:
        LOG.warning(f"{named_nodes([asked[each] for each in silent])} did not answer in {ANSWER_S:.0f} s")
    lacking: list[Node] = []
    differing: dict[Node, str] = {}
    for each in answered:
        try:
            found = ray.get(each)
        except ray.exceptions.RayError:  # it went away meanwhile
            continue
        if isinstance(found, str):
            lacking.append(asked[each])
        elif told := told_differences(versions, found):
            differing[asked[each]] = told
    if lacking:
        raise UsageError(
            f"{OURS} cannot be imported on {named_nodes(lacking)} of the cluster",
            where=lacking[0].name,
            fix=f"install {OURS} {versions[OURS]} with its extra `ray` on every node, or use one image for all",
        )
    if differing:
        first, told = next(iter(differing.items()))
        raise UsageError(
            f"{named_nodes(list(differing))} of the cluster would give other vectors: {first.name} has {told}",
            where=first.name,
            fix=SAME,
        )


def _question() -> Any:
    """A function that Ray sends as it is, since a node without this package could not look it up."""

    def versions_there(runtime: str) -> Any:
        try:
            from efficientnet_lite.cluster.versions import versions_here
        except ImportError as error:
            return str(error)
        return dict(versions_here(runtime))

    return versions_there


def _used(cpus: int, threads: int) -> int:
    return cpus // threads * threads


def named_nodes(nodes: Sequence[Node]) -> str:
    """What messages call them."""
    names = ", ".join(node.name for node in nodes[:MOST_NAMED])
    more = f" and {len(nodes) - MOST_NAMED} more" if len(nodes) > MOST_NAMED else ""
    return f"the node{'s' * (len(nodes) > 1)} {names}{more}"
