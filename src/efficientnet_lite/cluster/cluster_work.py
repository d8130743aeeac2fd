"""The photos of a list, looked at by a Ray cluster: calls of a few hundred photos each, whose answers come in order.

Ray decides where a call is carried out, and does so again where a worker or a node is lost. What comes out is what one
machine gives, photo by photo and in the order of the list, so a folder is written by the same code, and only by the
process that began the run: parts, journal and bytes are the same, and each part is there once.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from efficientnet_lite.addresses import is_address
from efficientnet_lite.cluster.looking import Looked, Portion, SentRun, look_at, portion_of
from efficientnet_lite.cluster.nodes import (
    Node,
    calls_at_once,
    check_nodes,
    named_nodes,
    nodes_up,
    threads_a_call,
)
from efficientnet_lite.cluster.versions import versions_here
from efficientnet_lite.errors import EfficientNetLiteError, UnreadablePhoto, UnusableInput
from efficientnet_lite.features.extract import Extracted
from efficientnet_lite.features.outcomes import Outcomes, Work
from efficientnet_lite.features.sources.photo_entry import PhotoEntry
from efficientnet_lite.notices import LOG
from efficientnet_lite.photos.accounting import may_have_passed

PORTION_PHOTOS = 256  # a thread; a lost worker costs so many
PASSED_PORTIONS = (
    8  # as many photos more of one file that can only be read forwards, which is gone through once
)
AHEAD = 4  # calls under way or waiting for each that is carried out
RETRIES = 5  # of a call whose worker or node is lost
PATIENCE_S = 60.0  # after which it is said that nothing comes
PASSED = ("tar", "tfrecord", "parquet")


@dataclass(frozen=True, slots=True)
class ClusterWork(Work):
    """Photos of a list, and a cluster that looks at them; `connected` lasts meanwhile."""

    _calls: list["_Calls"] = field(default_factory=list)  # none before the first photo is asked for

    def outcomes(self, ranges: Iterable[range] | None = None) -> Outcomes:
        """What becomes of the photos in these ranges of the list, or of all, in order.

        Raises UsageError where nodes have other versions; UnusableInput where they lack the photos of this machine, or
        are lost again and again.
        """
        if not self._calls:
            self._calls.append(_Calls(self))
        return self._calls[0].outcomes(self.entries(ranges))


class _Calls:
    def __init__(self, work: Work) -> None:
        import ray

        self._ray, self._work, nodes = ray, work, nodes_up()
        self._seen = set(nodes)
        threads = threads_a_call([node.cpus for node in nodes if node.cpus] or [1])
        model, runtime = work.model, work.model.runtime
        versions = versions_here(runtime)
        check_nodes(nodes, runtime, versions)
        self._run = SentRun(
            model.sha256, (ray.put(model),), work.view, work.listed.is_remote, versions, runtime, threads
        )
        self._call = ray.remote(_look).options(num_cpus=threads, max_retries=RETRIES)

    def outcomes(self, entries: Iterable[PhotoEntry]) -> Outcomes:
        under_way: deque[tuple[Any, list[PhotoEntry]]] = deque()
        try:
            for some in portions(entries, PORTION_PHOTOS * self._run.threads):
                under_way.append((self._call.remote(self._run, portion_of(self._work.listed, some)), some))
                while len(under_way) >= self._most():
                    yield from self._answer(*under_way[0])
                    under_way.popleft()
            while under_way:
                yield from self._answer(*under_way[0])
                under_way.popleft()
        finally:
            for call, _ in under_way:
                self._ray.cancel(call, force=True)

    def _most(self) -> int:
        """Calls under way at once, by the nodes that are up now."""
        return AHEAD * max(1, calls_at_once(self._nodes(), self._run.threads))

    def _nodes(self) -> list[Node]:
        """Those that are up now; of those that no longer are it is said."""
        nodes = nodes_up()
        if lost := self._seen - set(nodes):
            LOG.warning(f"lost {named_nodes(sorted(lost, key=str))}; its photos are looked at elsewhere")
        self._seen = set(nodes)
        return nodes

    def _answer(self, call: Any, entries: list[PhotoEntry]) -> list[Extracted[PhotoEntry]]:
        exceptions = self._ray.exceptions
        while True:
            try:
                looked: Looked = self._ray.get(call, timeout=PATIENCE_S)
                break
            except exceptions.GetTimeoutError:
                cpus = sum(node.cpus for node in self._nodes())
                LOG.warning(f"waiting for the cluster, which has {cpus} cores now")
            except exceptions.RayTaskError as error:
                cause = error.cause
                if isinstance(cause, EfficientNetLiteError):
                    raise cause from None
                raise
            except exceptions.RayError as error:
                raise _lost(entries, error) from error
        self._nodes()
        found = looked.outcomes(entries)
        for each in found:
            self._check_seen(each, looked.node)
        return found

    def _check_seen(self, each: Extracted[PhotoEntry], node: str) -> None:
        """Raise UnusableInput for a photo that could not be read there and can be here."""
        entry, error = each.item, each.error
        if (
            error is None
            or each.sha256 is not None
            or entry.lost is not None
            or is_address(entry.place.where)
            or may_have_passed(error)
        ):
            return
        try:
            self._work.listed.read(entry)
        except UnreadablePhoto:
            return
        raise UnusableInput(
            f"the node {node} cannot read it ({error}), and this machine can",
            where=entry.path,
            fix="put the photos where every node sees them under the same path, or give addresses (s3://, https://)",
        )


def portions(entries: Iterable[PhotoEntry], photos: int) -> Iterator[list[PhotoEntry]]:
    """Entries in portions of `photos`; of one file that can only be read forwards more stay together."""
    portion: list[PhotoEntry] = []
    for entry in entries:
        if len(portion) >= photos and (
            len(portion) >= PASSED_PORTIONS * photos
            or entry.place.kind not in PASSED
            or entry.place.where != portion[-1].place.where
        ):
            yield portion
            portion = []
        portion.append(entry)
    if portion:
        yield portion


def _look(run: SentRun, portion: Portion) -> Looked:
    import ray

    return look_at(run, portion, node=ray.util.get_node_ip_address(), fetch=ray.get)


def _lost(entries: list[PhotoEntry], error: Exception) -> UnusableInput:
    return UnusableInput(
        f"its worker was lost {RETRIES + 1} times ({type(error).__name__})",
        where=f"{entries[0].path} to {entries[-1].path}",
        fix="look into the logs of the nodes, at their memory first; the same command goes on",
    )
