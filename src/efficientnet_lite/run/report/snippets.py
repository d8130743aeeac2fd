"""The lines with which an app opens a run's file: Kotlin for Android, Swift for iOS. Pure.

MediaPipe Tasks needs least of an app: it finds input size, normalization and class names in the file, resizes each
photo itself, and is the consumer on which our files are tested (`make test-mediapipe`).

Sources: google-ai-edge/mediapipe, tasks/java/.../imageclassifier/ImageClassifier.java (`createFromFile` takes a path in
the assets; bitmaps are ARGB_8888) and tasks/ios/vision/image_classifier/sources/MPPImageClassifier.h (`ImageClassifier(
modelPath:)`, `classify(image:)`, RGB with an alpha channel); mediapipe-samples, examples/image_classification (how an
app reads the best category).
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

KOTLIN = """\
// build.gradle.kts, with the newest version:
//   implementation("com.google.mediapipe:tasks-vision:VERSION")
// {file} lies in app/src/main/assets
import com.google.mediapipe.framework.image.BitmapImageBuilder
import com.google.mediapipe.tasks.vision.imageclassifier.ImageClassifier

// Once: opening takes longer than looking.
val classifier = ImageClassifier.createFromFile(
    context, "{file}")

// For each photo: an upright Bitmap, ARGB_8888, of any size.
// MediaPipe makes {size} x {size} pixels of it.
val result = classifier.classify(BitmapImageBuilder(bitmap).build())
val classes = result.classificationResult().classifications()[0]
val best = classes.categories()[0]
println("${{best.categoryName()}}: ${{best.score()}}")
"""
SWIFT = """\
// Podfile:
//   pod 'MediaPipeTasksVision'
// {file} is in the app's bundle (Copy Bundle Resources)
import MediaPipeTasksVision

// Once: opening takes longer than looking.
let path = Bundle.main.path(forResource: "{stem}",
                            ofType: "tflite")!
let classifier = try ImageClassifier(modelPath: path)

// For each photo: a UIImage, RGB with alpha, of any size.
// MediaPipe makes {size} x {size} pixels of it.
let result = try classifier.classify(image: MPImage(uiImage: photo))
let classes = result.classificationResult.classifications
if let best = classes.first?.categories.first {{
    print(best.categoryName ?? "", best.score)
}}
"""


@dataclass(frozen=True, slots=True)
class Snippet:
    """Lines to copy into an app."""

    language: str
    platform: str
    code: str


def snippets(path: str, size: int) -> tuple[Snippet, ...]:
    """The lines for the file of that path in its run, which takes `size` x `size` pixels."""
    name = PurePosixPath(path)
    words = {"file": _quoted(name.name), "stem": _quoted(name.stem), "size": size}
    return (
        Snippet("Kotlin", "Android", KOTLIN.format(**words)),
        Snippet("Swift", "iOS", SWIFT.format(**words)),
    )


def _quoted(name: str) -> str:
    """A name between quotes of both languages; those that we write need no escape, a stranger's card may."""
    return "".join(f"\\{character}" if character in '\\"$' else character for character in name)
