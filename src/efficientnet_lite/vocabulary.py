"""The words that callers choose among, and the defaults that several of their doors state.

The command line and the code that acts on a word read it here. Nothing of ours is imported: to say what an option
may be takes neither a runtime nor a network.
"""

from typing import Literal, get_args

Precision = Literal["float32", "float16", "dynamic", "int8"]  # of a .tflite file
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
RunPrecision = Literal["float32", "int8"]  # of the files that a run has
Io = Literal["uint8", "int8", "float32"]  # what an int8 file takes and gives
Kernels = Literal[
    "xnnpack", "optimized", "reference"
]  # of LiteRT: the default, without XNNPACK, the plainest
DenseScales = Literal["per-tensor", "per-channel"]  # of the dense layer's kernel
Effort = Literal["standard", "best"]  # what is done for the accuracy of an int8 file

ClassFolders = Literal["outer", "inner"]  # where folders can be read in two ways
ClassWeights = Literal["none", "balanced"]
OnBad = Literal["skip", "fail"]
RecipeName = Literal["imagenet"]
RuleTarget = Literal["edgetpu", "gpu"]  # accelerators whose own compiler cannot be asked: rules stand for it
EthosUTarget = Literal[  # NPUs of Arm, by their multiply-accumulates a cycle, as Vela calls them
    "ethos-u55-32",
    "ethos-u55-64",
    "ethos-u55-128",
    "ethos-u55-256",
    "ethos-u65-256",
    "ethos-u65-512",
    "ethos-u85-128",
    "ethos-u85-256",
    "ethos-u85-512",
    "ethos-u85-1024",
    "ethos-u85-2048",
]
ETHOS_U_TARGETS: tuple[EthosUTarget, ...] = get_args(EthosUTarget)
MicroTarget = Literal["tflm"]  # a microcontroller, by TFLite Micro's interpreter
TargetName = Literal[RuleTarget, EthosUTarget, MicroTarget]
VectorFormat = Literal["parquet", "npy"]  # of a folder of feature vectors
VectorLayout = Literal["parts", "clip-retrieval"]
VectorDtype = Literal["float32", "float16", "int8"]
WhereMade = Literal["local", "ray"]  # on which machines
MapMethod = Literal["pca", "umap"]  # how vectors become points of a plane

TRAINED_MODEL = "lite1"  # what `train` starts from where nothing is said, so that its cache serves others
CALIBRATION_PHOTOS = 100
MAX_DROP = 0.01  # of top-1 accuracy
MIN_AGREEMENT = 0.97
MAP_PAGE = "map.html"
PART_ROWS = 1000  # of a part of a folder of feature vectors
NEAR_DUPLICATE = 0.94  # cosine of two vectors from which on they are taken for one photo; docs/numbers.md
