"""Addresses such as `https://...` and `s3://...`: what is one, and how it is shown without its secrets. Pure."""

import re

# Of a query: what signs it and lets its bearer in, for a while. The rest may say which photo is meant.
_SIGNING = (
    "x-amz-[a-z-]+|x-goog-[a-z-]+|x-ms-[a-z-]+|sig|signature|awsaccesskeyid|googleaccessid|key-pair-id|policy"
    "|token|access[_-]?token|auth|api[_-]?key|password|secret"
)
# Of a query that one of these signs: until when and for what; another with each signature.
_SIGNED_TERMS = "se|sp|sv|sr|st|spr|sip|srt|ss|skoid|sks|skt|ske|sktid|skv|expires"
_USER = r"(?<=://)[^/?#\s'\"]*@"


def is_address(text: str) -> bool:
    """Whether a text is an address and no path."""
    return "://" in text


def of_path(path: str) -> str | None:
    """The address that a path was made of, which loses a slash by that; None of a path that was none."""
    scheme, colon, rest = path.partition(":/")
    if colon and rest[:1] not in ("", "/") and re.fullmatch("[A-Za-z][A-Za-z0-9+.-]+", scheme):
        return f"{scheme}://{rest}"  # one letter is a drive of Windows
    return None


def public(text: str) -> str:
    """`text` with every address in it as it may be shown: without user, password, and the signature of its query.

    >>> public("https://me:secret@host/a.tar?id=3&sig=abc&se=2026")
    'https://host/a.tar?id=3'
    """
    if not is_address(text):
        return text
    return re.sub(r"(?<=[^\s'\"?])\?[^\s'\"#]*", lambda query: _unsigned(query[0]), re.sub(_USER, "", text))


def _unsigned(query: str) -> str:
    fields = query[1:].split("&")
    kept = [field for field in fields if not _is_named(field, _SIGNING)]
    if len(kept) < len(fields):
        kept = [field for field in kept if not _is_named(field, _SIGNED_TERMS)]
    return "?" + "&".join(kept) if kept else ""


def _is_named(field: str, names: str) -> bool:
    return re.fullmatch(names, field.partition("=")[0], re.IGNORECASE) is not None
