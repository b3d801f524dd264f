"""Images a second of augmentations by smooth maps, beside torchvision and kornia: ``-m benchmarks.augment``."""
