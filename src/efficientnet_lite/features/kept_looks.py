"""What was seen of a photo, as the cache keeps it beside its vectors: the same for every model."""

import json

from efficientnet_lite.photos.duplicates import FINGERPRINT_BYTES
from efficientnet_lite.photos.looks import Look
from efficientnet_lite.photos.views import PIXELS_VERSION

LOOKS = f"looks:{PIXELS_VERSION}"  # the cache's space


def look_to_bytes(look: Look) -> bytes:
    """All but the hash, which is the entry's key."""
    fields = [look.fingerprint.hex(), look.height, look.width, *look.notes]
    return json.dumps(fields).encode()


def look_from_bytes(sha: str, value: bytes) -> Look | None:
    """What `look_to_bytes` made; None where it is damaged."""
    try:
        text, height, width, *notes = json.loads(value)
        fingerprint = bytes.fromhex(text)
        if len(fingerprint) != FINGERPRINT_BYTES or min(int(height), int(width)) < 1:
            return None
        return Look(sha, fingerprint, int(height), int(width), tuple(map(str, notes)))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
