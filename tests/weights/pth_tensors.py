"""What a .pth holds, without what is no weight, for tests that ask for nothing else."""

from efficientnet_lite.weights.pth import read_state_dict


def read_pth(data, *, where, ema=True):
    found = read_state_dict(data, where=where, ema=ema).tensors
    return {name: stored for name, stored in found.items() if stored.dtype.numeric}
