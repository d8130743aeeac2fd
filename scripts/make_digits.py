#!/usr/bin/env python3
"""Write scikit-learn's handwritten digits as photos, a folder for each digit: the data of `make demo`.

    python scripts/make_digits.py FOLDER

1,797 real scans of 8 x 8 pixels (E. Alpaydin and C. Kaynak, UCI, 1998; CC BY 4.0), enlarged to 96 x 96 PNG files.
Files that are there already stay as they are.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

SIDE = 96  # pixels


def main() -> None:
    folder = Path(sys.argv[1])
    digits = load_digits()
    for number, (scan, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(digit) / f"{number:04}.png"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        ink = np.uint8(255 - scan * (255 / 16))  # 0 to 16 of ink on white paper
        Image.fromarray(ink).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
    print(f"{len(digits.target)} digits in {folder}")


if __name__ == "__main__":
    main()
