"""Addresses as they may be shown: secrets are off, and what says which photo is meant stays."""

from pathlib import PurePosixPath

import pytest

from efficientnet_lite.addresses import of_path, public
from efficientnet_lite.errors import UnusableInput


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:secret@host:80/a@b.jpg", "https://host:80/a@b.jpg"),
        ("sftp://me@host/a.jpg", "sftp://host/a.jpg"),
        ("https://h/a.tar?id=3&sig=abc%2B&se=2026-01-01&v=2", "https://h/a.tar?id=3&v=2"),
        ("https://b.s3.amazonaws.com/a?X-Amz-Signature=1&X-Amz-Expires=9&versionId=x", "https://b.s3.amazonaws.com/a?versionId=x"),
        ("https://h/a?TOKEN=1#part", "https://h/a#part"),
        ("https://h/a?se=1&signal=2", "https://h/a?se=1&signal=2"),
        ("s3://b/[ab]?.tar", "s3://b/[ab]?.tar"),
        ("photos/a?token=1.jpg", "photos/a?token=1.jpg"),
        ("no answer of 'ftp://u:p@h/x?sig=1' in time", "no answer of 'ftp://h/x' in time"),
    ],
)  # fmt: skip
def test_what_lets_its_bearer_in_is_not_shown(address, shown):
    assert public(address) == shown
    assert public(shown) == shown
    assert UnusableInput("no", where=address, fix="").where == shown


@pytest.mark.parametrize("address", ["https://h/a.jpg", "s3://b/v", "memory://x"])
def test_a_path_that_was_an_address_is_known(address):
    assert of_path(str(PurePosixPath(address))) == address
    assert of_path(address) is None


@pytest.mark.parametrize("path", ["c:/photos", "a/b:/c", "/a:/b", "a:", "photos", "1:/x"])
def test_other_paths_are_none(path):
    assert of_path(path) is None
