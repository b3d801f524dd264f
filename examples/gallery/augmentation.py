"""
Augment a segmentation set
==========================

Random maps bend photographs, their masks, boxes and keypoints alike. Needs numpy, matplotlib and scikit-image, whose
photographs of Greek coins come with the package. In a pipeline of torch or Keras, ``cpabx.augment.RandomCPAB`` does all
of this in one call: see :doc:`/augmentation`.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage
from skimage import data, filters, measure, morphology, segmentation

import cpabx
from cpabx import augment

cpabx.set_backend("numpy")  # the default

# %%
# A set of one
# ------------
#
# The coins are what is brighter than a threshold: a mask with a label for each, a box round each label, and a keypoint
# in the middle of each.

photograph = data.coins()[:, :300]  # (303, 300), of 8 bits
bright = morphology.closing(photograph > filters.threshold_otsu(photograph), np.ones((3, 3)))
found = measure.label(ndimage.binary_fill_holes(segmentation.clear_border(bright)))
large = np.isin(found, [region.label for region in measure.regionprops(found) if region.area > 400])
labels = measure.label(large).astype(np.uint8)
regions = measure.regionprops(labels)
boxes = np.array([[x1, y1, x2, y2] for y1, x1, y2, x2 in (region.bbox for region in regions)], np.float32)
points = np.array([region.centroid[::-1] for region in regions], np.float32)
print(f"{len(regions)} coins")

# %%
# Random maps
# -----------
#
# A :class:`cpabx.augment.RandomField` draws maps that move points by 5 % of the image in the mean, and its border along
# itself. Everything follows: the photograph is sampled linearly and stays of 8 bits, the mask keeps its labels, points
# move by the inverse map, and boxes go round what was in them.

field = augment.RandomField((4, 4), amplitude=0.05, length_scale=0.5)
n, size = 5, photograph.shape
theta = field.sample(n, seed=1)
photographs = augment.warp_images(field.cpab, np.repeat(photograph[None, ..., None], n, axis=0), theta)
masks = augment.warp_masks(field.cpab, np.repeat(labels[None, ..., None], n, axis=0), theta)
moved_boxes = augment.move_boxes(field.cpab, boxes, theta, size)
moved_points = augment.move_keypoints(field.cpab, points, theta, size)


def show(ax, image, mask, boxes, points):
    ax.imshow(segmentation.mark_boundaries(image, mask, color=(1, 0.8, 0)))
    for x1, y1, x2, y2 in boxes - 0.5:  # pixel i has its centre at i in the picture, and its edges beside it
        ax.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], "deepskyblue", lw=1)
    ax.plot(*points.T, "r.", ms=5)
    ax.set_axis_off()


figure, axes = plt.subplots(2, 3, figsize=(10, 7), layout="constrained")
show(axes[0, 0], photograph, labels, boxes, points)
axes[0, 0].set_title("given")
for ax, image, mask, *marks in zip(
    axes.flat[1:], photographs[..., 0], masks[..., 0], moved_boxes, moved_points, strict=True
):
    show(ax, image, mask, *marks)

# %%
# Do they fit?
# ------------
#
# Every box contains the box of its warped label. It is a little larger, as it holds what the map makes of the old box,
# corners and all, and a coin has none. Keypoints are where the map takes the middle of a coin, which need not be the
# middle of what it makes of the coin.

slack = []
for mask, own in zip(masks[..., 0], moved_boxes, strict=True):
    for region in measure.regionprops(mask):
        y1, x1, y2, x2 = region.bbox
        found, box = np.array([x1, y1, x2, y2]), own[region.label - 1]
        assert (box[:2] <= found[:2] + 1e-3).all()
        assert (box[2:] >= found[2:] - 1e-3).all()
        slack.append(np.abs(box - found).mean())
print(f"boxes are {np.mean(slack):.2f} pixels larger than those of the masks")

# %%
# How strong
# ----------
#
# The amplitude is the mean displacement as a share of the image, the length scale how far displacements are alike. The
# map of a straight grid shows both.

figure, axes = plt.subplots(2, 3, figsize=(10, 6.8), layout="constrained")
for row, length_scale in zip(axes, (0.5, 0.25), strict=True):
    for ax, amplitude in zip(row, (0.02, 0.05, 0.1), strict=True):
        strength = augment.RandomField((8, 8), amplitude=amplitude, length_scale=length_scale)
        cpabx.plot.deformed_grid(strength.cpab, strength.sample(1, seed=0, dtype="float64"), ax=ax)
        ax.set_title(f"amplitude {amplitude}, length scale {length_scale}", fontsize=9)
plt.show()
