"""The files for Kubernetes and Slurm: their form, and that what they call exists."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/cluster"
SBATCH = {"job-name", "nodes", "ntasks-per-node", "cpus-per-task", "mem-per-cpu", "time", "signal", "requeue"}
SRUN = {"nodes", "ntasks", "nodelist", "exclude", "overlap"}


def options_of(text, program):
    """The options that a shell's text gives to a program, without their values."""
    joined = text.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if re.search(rf"(^|\s){re.escape(program)}\s", line)]
    assert lines, program
    behind = [re.split(rf"(?:^|\s){re.escape(program)}\s", line, maxsplit=1)[1] for line in lines]
    return {
        word.partition("=")[0].removeprefix("--")
        for line in behind
        for word in shlex.split(line.replace("'{", "").rstrip("&"))
        if word.startswith("--")
    }


def embed_options():
    from efficientnet_lite.cli.app import parser

    command = parser()["embed"]
    return {name for argument in command.assemble_argument_collection() for name in argument.names}


def test_the_script_for_slurm_is_bash_and_its_options_exist():
    script = EXAMPLES / "embed.sbatch"
    text = script.read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", script], check=True)

    assert set(re.findall(r"^#SBATCH --([a-z-]+)", text, flags=re.MULTILINE)) <= SBATCH
    assert options_of(text, "srun") - SRUN <= options_of(text, "ray start") | options_of(
        text, "efficientnet-lite embed"
    )
    assert {f"--{name}" for name in options_of(text, "efficientnet-lite embed")} <= embed_options()


@pytest.mark.ray
def test_the_options_of_ray_exist():
    from ray.scripts.scripts import start

    known = {name.removeprefix("--") for parameter in start.params for name in parameter.opts}
    assert options_of((EXAMPLES / "embed.sbatch").read_text(encoding="utf-8"), "ray start") <= known


@pytest.mark.ray
def test_the_manifest_for_kuberay_has_its_fields():
    """Source: KubeRay, ray-operator/apis/ray/v1 (RayJobSpec, RayClusterSpec, HeadGroupSpec, WorkerGroupSpec)."""
    import yaml
    from ray.scripts.scripts import start

    job = yaml.safe_load((EXAMPLES / "rayjob.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    assert set(spec) <= {
        "entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "rayClusterSpec",
        "submissionMode", "activeDeadlineSeconds", "runtimeEnvYAML",
    }  # fmt: skip
    cluster = spec["rayClusterSpec"]
    assert set(cluster) <= {"rayVersion", "enableInTreeAutoscaling", "headGroupSpec", "workerGroupSpecs"}
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert set(groups[0]) <= {"rayStartParams", "template", "serviceType"}
    known = {name.removeprefix("--") for parameter in start.params for name in parameter.opts}
    for group in groups:
        assert set(group["rayStartParams"]) <= known
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        (container,) = group["template"]["spec"]["containers"]
        assert container["resources"]["limits"] == container["resources"]["requests"]
    assert len({group["template"]["spec"]["containers"][0]["image"] for group in groups}) == 1
    for group in groups[1:]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    words = shlex.split(spec["entrypoint"])
    assert words[:2] == ["efficientnet-lite", "embed"]
    assert {word for word in words if word.startswith("--")} <= embed_options()
