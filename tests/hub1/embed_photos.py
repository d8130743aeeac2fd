"""Ten photos as lite1 gets them and the vectors that `embed` makes of them, for an environment that lacks this package.

python tests/hub1/embed_photos.py vectors.npz
"""

import os
import sys
from pathlib import Path

import numpy as np

import efficientnet_lite as el
from efficientnet_lite.network.plan import VARIANTS
from efficientnet_lite.photos.contract import Contract
from efficientnet_lite.photos.views import prepare, to_float

SHARED = Path(os.environ.get("EFFICIENTNET_LITE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
COUNT = 10


def main(out: Path) -> None:
    found = sorted((SHARED / "data/clothing/validation").rglob("*.jpg"))
    if not found:
        out.unlink(missing_ok=True)
        print(f"no photos at {SHARED}: {out} is not written")
        return
    photos, contract = found[:: len(found) // COUNT][:COUNT], Contract(VARIANTS["lite1"].size)
    images = [to_float(prepare(path.read_bytes(), ["crop"], contract).images[0]) for path in photos]
    np.savez(out, images=np.stack(images), features=el.embed("lite1", photos).features)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
