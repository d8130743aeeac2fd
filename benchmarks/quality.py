"""How far the int8 files are from their float parents on photos that did not calibrate them."""

import tempfile

from benchmarks.inputs import Inputs
from benchmarks.table import Table
from efficientnet_lite.commands.export import export


def int8(inputs: Inputs) -> Table:
    """Agreement and logit SNR of lite0 to lite2 in int8; half the photos as crops, half squashed."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("lite0", "lite1", "lite2"):
            done = export(
                name, f"{folder}/{name}.tflite", precision="int8", outputs=["logits"], data=inputs.web_photos
            )
            found = done.comparison
            assert found is not None
            low, high = found.agreement_interval
            agreement = f"{100 * found.agreement:.1f} % ({100 * low:.1f}-{100 * high:.1f})"
            rows.append(
                [name, found.count, agreement, f"{found.snr_db:.1f} dB", f"{done.float_difference:.1g}"]
            )
    columns = ["model", "photos", "agreement", "logit SNR", "float file from numpy, logits"]
    return Table("Quality: int8 against float, 100 other photos calibrated", columns, rows)
