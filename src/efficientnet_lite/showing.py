"""What `progress=` of a public function means."""

from efficientnet_lite import bars
from efficientnet_lite.progress import Progress, ShowStage, silent


def stages(progress: Progress) -> ShowStage:
    """What shows the stages of a call: bars on the stream of errors, nothing, or the caller's own."""
    if isinstance(progress, bool):
        return bars.shown_on() if progress else silent
    return progress
