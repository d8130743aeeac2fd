"""`quantize-report`: what int8 costs a file, where its noise comes from, and what would help."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from efficientnet_lite.arguments import called
from efficientnet_lite.artifacts.sample import Sample, sample_of
from efficientnet_lite.bars import stages
from efficientnet_lite.errors import CALL, UsageError, wrong_argument
from efficientnet_lite.neighbors.own_page import check_page
from efficientnet_lite.progress import Progress, ShowStage
from efficientnet_lite.run.clinic.diagnosis import Diagnosis
from efficientnet_lite.run.clinic.examination import Examination
from efficientnet_lite.run.clinic.patient import Patient, open_patient
from efficientnet_lite.run.clinic.proof_sample import proof_sample
from efficientnet_lite.runtimes.engine import chosen_workers
from efficientnet_lite.storage import files
from efficientnet_lite.storage.cache import Cache
from efficientnet_lite.storage.targets import Apart

PAGE = "int8.html"  # in messages
MOST_PHOTOS = 300


@called
def quantize_report(
    target: str | Path,
    *,
    data: str | Path | None = None,
    parent: str | Path | None = None,
    html: str | Path | None = None,
    calibration: Sequence[int] = (),
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress = False,
) -> Diagnosis:
    """Say what int8 costs a file, where the noise comes from, and what helps.

    Each layer's weights and each activation tensor are rounded alone, all else
    float, and run on LiteRT: their shares of the noise at the logits. Then the
    worst are tried in float and in 16 bits, and the network is quantized anew
    from more and more photos. Nothing is changed; a page is all that is
    written.

    Args:
        target: a run folder, whose int8 file is meant, or an int8 .tflite file
            of this package.
        data: a folder of photos, labelled or not, which the file has not been
            calibrated with; for a run None is the photos that proved it. 300
            are used.
        parent: the float weights that a single file was made of: a run, a
            float .tflite, a checkpoint or a model such as "lite1". None looks
            in the run that the file lies in, then at the published weights.
        html: a page to write, with plots and pictures.
        calibration: how many photos to calibrate with; none: 10, 25, 50, 100
            and two thirds of all, as far as that takes little more than a
            minute.
        overwrite: replace a page that is there.
        workers: photos under way at once; one for each core where None.
        progress: True shows bars.

    Returns:
        The `whole` distance from float, the noise `shares` of each part, the
        `gains` of the worst, the calibration `curve`, damage by `classes`, and
        the photos whose answer `changed`. A notebook shows it as tables.

    Raises:
        UsageError: an argument has no use with this target, or the page exists.
        UnusableInput: there is no such run or file, or no photo can be used.
        ArtifactError: the file is not int8, not ours or damaged, or its parent
            is not there, or is another.

    Example:
        >>> import efficientnet_lite as el
        >>> found = el.quantize_report("runs/clothing", html="int8.html")
        >>> found.whole.agreement > 0.9, found.page.name
        (True, 'int8.html')
    """
    stage, target = stages(progress), Path(target)
    if any(count < 2 for count in calibration):
        raise wrong_argument("calibration", tuple(calibration), fix="give at least 2 photos")
    if html is not None:
        apart = [Apart(Path(data))] if data is not None and files.is_dir(data) else []
        check_page(Path(html), overwrite=overwrite, example=PAGE, apart=apart, argument="html")
    patient = open_patient(target, parent, workers=workers)
    sample = _sample(patient, data, chosen_workers(workers), stage)
    with Cache() as cache:
        examination = Examination(patient, sample, cache, chosen_workers(workers))
        found = examination.diagnosis(calibrations=calibration, stage=stage)
        cache.prune()
    if html is None:
        return found
    from efficientnet_lite.run.clinic.clinic_page import render

    found = replace(found, page=Path(html))
    files.publish(Path(html), render(found, sample.images))
    return found


def _sample(patient: Patient, data: str | Path | None, workers: int, stage: ShowStage) -> Sample:
    with stage("Looking at photos") as on_progress:
        if data is not None:
            return sample_of(Path(data), patient.origin, MOST_PHOTOS, workers, on_progress, kept_back=0)
        if patient.run is None:
            raise UsageError(
                "what int8 costs is measured on photos, and none are given",
                where=CALL,
                fix="give `data=PHOTOS`, photos like those that the model will see",
            )
        return proof_sample(patient.run, patient.origin, MOST_PHOTOS, workers, on_progress)
