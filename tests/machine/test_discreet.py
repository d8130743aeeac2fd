"""What may be published names neither its user nor his machine."""

import pytest

from efficientnet_lite.machine.discreet import Discretion

SAID = Discretion(("/home/alice", "/mnt/disk/home/alice/"), ("alice", ""), "pelican")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/alice", "~"),
        ("/home/alice/.cache/x: no such file", "~/.cache/x: no such file"),
        ("cannot open '/mnt/disk/home/alice/a.so'", "cannot open '~/a.so'"),
        ("/home/alice2/x:/home/bob", "/home/USER/x:/home/USER"),
        ("/export/home/bob/x /Users/carol/y", "/export/home/USER/x /Users/USER/y"),
        ("/scratch/alice/cache", "/scratch/USER/cache"),
        ("C:\\Users\\alice\\x", "C:\\Users\\USER\\x"),
        ("/net/pelican/data", "/net/HOST/data"),
        ("/data/alice-old/malice", "/data/alice-old/malice"),
        ("", ""),
    ],
)
def test_homes_users_and_hosts_are_left_out_of_paths(text, shown):
    assert SAID(text) == shown


def test_nobody_and_the_root_of_the_disk_hide_nothing():
    assert Discretion(("/", ""), ("",), "")("/usr/lib/x") == "/usr/lib/x"
