"""The shell lines of the seed page, as they stand, with a local checkpoint. Takes a minute on a quiet machine."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def photos(shared):
    """Thirty real photos."""
    return sorted((shared / "data" / "imagenet-300").rglob("*.*"))[:400:13]


def test_the_shell_lines_of_the_page_run_as_they_stand(tmp_path, shared, photos):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed: make test-all")
    with tarfile.open(tmp_path / "efficientnet-lite0.tar.gz", "w:gz") as archive:
        archive.add(shared / "reference" / "efficientnet-lite0", "efficientnet-lite0")
    shutil.copy(ROOT / "export_model.py", tmp_path)
    (tmp_path / "representative_dataset").mkdir()
    for path in photos:
        shutil.copy(path, tmp_path / "representative_dataset")
    (tmp_path / "model-ckpt").symlink_to(shared / "reference" / "efficientnet-lite0")
    page = """
export MODEL=efficientnet-lite0
wget https://storage.googleapis.com/cloud-tpu-checkpoints/efficientnet/${MODEL}.tar.gz
tar zxf ${MODEL}.tar.gz
python export_model.py --model_name=$MODEL --ckpt_dir=$MODEL --data_dir=/path/to/representative_dataset/ --output_tflite=${MODEL}_quant.tflite
python export_model.py --model_name=$MODEL --ckpt_dir=$MODEL --output_tflite=${MODEL}_float.tflite --quantize=False
python export_model.py --model_name=$MODEL --ckpt_dir=/path/to/model-ckpt/ --output_saved_model_dir=/path/to/output_saved_model/ --output_tflite=${MODEL}_float.tflite --quantize=False
"""  # noqa: E501  # as it stands
    # the archive is here already; /path/to is this folder
    script = f"set -e\nwget() {{ :; }}\npython() {{ '{sys.executable}' \"$@\"; }}\n" + page.replace(
        "/path/to", str(tmp_path)
    )

    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "EFFICIENTNET_LITE_CACHE": str(tmp_path / "cache")},
    )

    assert done.returncode == 0, done.stderr
    names = {path.name for path in tmp_path.iterdir()}
    assert {
        "efficientnet-lite0_quant.tflite",
        "efficientnet-lite0_float.tflite",
        "output_saved_model",
    } <= names
    assert not [name for name in names if name.endswith(".part")]
