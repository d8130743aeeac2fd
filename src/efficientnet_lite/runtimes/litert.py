"""The one place that runs a `.tflite` file: LiteRT as an engine."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficientnet_lite.errors import ArtifactError
from efficientnet_lite.runtimes.engine import Tensor
from efficientnet_lite.storage.quiet import stderr_without
from efficientnet_lite.strangers.signatures import main_signature
from efficientnet_lite.vocabulary import Kernels

_RESOLVERS: dict[Kernels, str] = {
    "xnnpack": "AUTO",
    "optimized": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}


class LiteRT:
    """One file opened by LiteRT. Not for several threads at once; see `EnginePool`."""

    def __init__(
        self,
        model: bytes,
        *,
        where: Path | str = "model",
        threads: int = 1,
        batch: int | None = None,
        kernels: Kernels = "xnnpack",
    ) -> None:
        """Open `model`, which must have passed `strangers.structure` where it is not our own.

        `batch` changes the first side of its inputs, which the file must allow. `kernels` are those that compute:
        XNNPACK's as everywhere by default; LiteRT's own optimized ones, as before XNNPACK; or its reference
        kernels, which are slow and say what an operator means.

        Raises:
            ArtifactError: LiteRT refuses the file.
        """
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._where = where
        try:
            with _without_greeting() if kernels == "xnnpack" else nullcontext():
                resolver = getattr(OpResolverType, _RESOLVERS[kernels])
                self._interpreter = Interpreter(
                    model_content=model, num_threads=threads, experimental_op_resolver_type=resolver
                )
                for detail in self._interpreter.get_input_details() if batch else ():
                    shape = [batch, *detail["shape"][1:]]
                    self._interpreter.resize_tensor_input(detail["index"], shape, strict=True)
                self._interpreter.allocate_tensors()
            self._signature, taken, given = _ports(self._interpreter)
        except (ValueError, RuntimeError) as error:  # names that are no UTF-8 are a ValueError too
            raise _refused("open", error, where) from error
        self.inputs = tuple(_tensor(name, detail) for name, detail in taken)
        self.outputs = tuple(_tensor(name, detail) for name, detail in given)

    def __call__(self, *inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Output name -> a fresh array, codes as they are. Inputs must have the file's shapes and dtypes.

        Raises ArtifactError where the file opens but cannot be run.
        """
        given = list(zip(self.inputs, inputs, strict=True))
        for tensor, value in given:
            if self._signature is None:
                self._interpreter.set_tensor(tensor.index, value)
            elif (value.dtype, value.shape) != (tensor.dtype, tensor.shape):
                raise ValueError(f"{tensor.name} is {value.dtype} {value.shape}, {tensor.shape} is expected")
        if self._signature is None:
            return self._invoked()
        try:
            return dict(self._signature(**{tensor.name: value for tensor, value in given}))
        except (ValueError, RuntimeError) as error:
            raise _refused("run", error, self._where) from error

    def filled(self, fill: Callable[[npt.NDArray[Any]], None]) -> dict[str, npt.NDArray[Any]]:
        """See `Engine.filled`."""
        (tensor,) = self.inputs
        if self._signature is not None:
            value = np.empty(tensor.shape, tensor.dtype)
            fill(value)
            return self(value)
        fill(self._interpreter.tensor(tensor.index)())  # nobody may hold it while LiteRT runs
        return self._invoked()

    def _invoked(self) -> dict[str, npt.NDArray[Any]]:
        try:
            self._interpreter.invoke()
            return {tensor.name: self._interpreter.get_tensor(tensor.index) for tensor in self.outputs}
        except (ValueError, RuntimeError) as error:
            raise _refused("run", error, self._where) from error


def runtime_version() -> str:
    """Version of LiteRT, without importing it."""
    return version("ai-edge-litert")


_Named = list[tuple[str, dict[str, Any]]]  # what LiteRT says of some inputs or outputs, with their names


def _ports(interpreter: Any) -> tuple[Any, _Named, _Named]:
    """A file's inputs and outputs, and the signature by which it must be run where it has several.

    Each of those may have a graph of its own, of which plain `invoke` runs the first.
    """
    signatures = interpreter.get_signature_list()
    main = main_signature({key: sum(map(len, named.values())) for key, named in signatures.items()})
    runner = interpreter.get_signature_runner(main) if main is not None else None
    named = [runner.get_input_details(), runner.get_output_details()] if runner else [{}, {}]
    if len(signatures) > 1:
        return runner, list(named[0].items()), list(named[1].items())
    names = {detail["index"]: name for details in named for name, detail in details.items()}
    taken, given = (
        [(names.get(detail["index"], detail["name"]), detail) for detail in details]
        for details in (interpreter.get_input_details(), interpreter.get_output_details())
    )
    return None, taken, given


def _refused(verb: str, error: Exception, where: Path | str) -> ArtifactError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return ArtifactError(f"LiteRT cannot {verb} it: {reason}", where=where, fix="export the model again")


def _tensor(name: str, detail: dict[str, Any]) -> Tensor:
    scale, zero_point = detail["quantization"]
    return Tensor(
        name,
        int(detail["index"]),
        tuple(int(side) for side in detail["shape"]),
        np.dtype(detail["dtype"]),
        float(scale),
        int(zero_point),
    )


_GREETING = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
_greeting = threading.Lock()
_greeted = False


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Keep LiteRT's one line about its delegate off stderr; it has no switch for that.

    The line comes once in a process, with the first file that opens.
    """
    global _greeted
    if _greeted:
        yield
        return
    with _greeting, stderr_without(_GREETING):
        yield
        _greeted = True  # a file that LiteRT refused has not greeted
