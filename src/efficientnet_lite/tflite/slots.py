"""Where the fields lie in the tables of a `.tflite`, for those tables that are read with checks.

Source: tensorflow/lite/schema/schema.fbs; the order of a table's fields is its numbering.
"""

from enum import IntEnum

MODEL_IDENTIFIER = b"TFL3"


class ModelSlot(IntEnum):
    VERSION, OPERATOR_CODES, SUBGRAPHS, DESCRIPTION, BUFFERS = range(5)
    METADATA_BUFFER, METADATA, SIGNATURES, EXTERNAL_BUFFER_GROUPS, EXTERNAL_BUFFERS = range(5, 10)


class OperatorCodeSlot(IntEnum):
    DEPRECATED_CODE, CUSTOM_CODE, VERSION, CODE = range(4)


class SubGraphSlot(IntEnum):
    TENSORS, INPUTS, OUTPUTS, OPERATORS, NAME, DEBUG_METADATA = range(6)


class TensorSlot(IntEnum):
    SHAPE, TYPE, BUFFER, NAME, QUANTIZATION, IS_VARIABLE = range(6)
    SPARSITY, SHAPE_SIGNATURE, HAS_RANK, VARIANT_TENSORS, EXTERNAL_BUFFER = range(6, 11)


class QuantizationSlot(IntEnum):
    MIN, MAX, SCALE, ZERO_POINT, DETAILS_TYPE, DETAILS, AXIS = range(7)


class OperatorSlot(IntEnum):
    CODE, INPUTS, OUTPUTS, OPTIONS_TYPE, OPTIONS, CUSTOM_OPTIONS, CUSTOM_OPTIONS_FORMAT = range(7)
    MUTATING_INPUTS, INTERMEDIATES, LARGE_CUSTOM_OFFSET, LARGE_CUSTOM_SIZE = range(7, 11)
    OPTIONS_2_TYPE, OPTIONS_2, DEBUG_METADATA = range(11, 14)


class BufferSlot(IntEnum):
    DATA, OFFSET, SIZE = range(3)


class MetadataSlot(IntEnum):
    NAME, BUFFER = range(2)


class SignatureSlot(IntEnum):
    INPUTS, OUTPUTS, KEY = range(3)
    SUBGRAPH = 4  # slot 3 is retired


class TensorMapSlot(IntEnum):
    NAME, TENSOR = range(2)
