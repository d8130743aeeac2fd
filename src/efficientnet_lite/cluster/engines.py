"""Where vectors are made: by this machine, or by a cluster that it reaches."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from efficientnet_lite.cluster.cluster_work import ClusterWork
from efficientnet_lite.cluster.connection import connected
from efficientnet_lite.errors import wrong_argument
from efficientnet_lite.features.extract import known_vectors
from efficientnet_lite.features.outcomes import Work
from efficientnet_lite.features.sources.photo_list import Listed
from efficientnet_lite.photos.contract import View
from efficientnet_lite.runtimes.model import Model
from efficientnet_lite.vocabulary import WhereMade


def reached(engine: WhereMade, address: str | None) -> AbstractContextManager[None]:
    """A block in which the cluster at `address` is reached, where `engine` is one; see `connected`.

    Raises UsageError where an address is given for no cluster.
    """
    if engine == "ray":
        return connected(address)
    if address is not None:
        raise wrong_argument(
            "address", address, fix="it is for a cluster: give `engine='ray'` too, or leave it out"
        )
    return nullcontext()


@contextmanager
def work_of(engine: WhereMade, model: Model, listed: Listed, view: View | None) -> Iterator[Work]:
    """Photos of a list, and who looks at them; vectors that this machine knows are looked up where it does."""
    if engine == "ray":
        yield ClusterWork(model, listed, view)
        return
    with known_vectors(model, view) as known:
        yield Work(model, listed, view, known)
