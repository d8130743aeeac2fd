"""A torchvision that was built for CUDA, beside a torch for CPUs, lacks operators; timm needs none of them."""

try:
    import torch
    import torchvision  # noqa: F401
except ImportError:
    pass
except RuntimeError:
    for operator in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
