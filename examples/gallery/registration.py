"""
Register two photographs
========================

A photograph and a bent copy of it, whose bend no CPAB map has exactly: the map between them is found, and compared
with the true one. Needs torch, matplotlib and scikit-image, whose photograph of a cat comes with the package.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.ndimage import map_coordinates
from skimage import color, data, transform

import cpabx

# %%
# Two images
# ----------
#
# The second shows at each pixel what the first shows a few pixels away: a swirl about one point, and waves.

SIDE = 192
cat = color.rgb2gray(data.chelsea())[:300, 75:375]
moving = transform.resize(cat, (SIDE, SIDE), anti_aliasing=True)
y, x = np.mgrid[:SIDE, :SIDE].astype(float)
from_centre = np.stack([x - 95, y - 80])
turn = 0.5 * np.exp(-(from_centre**2).sum(axis=0) / 45**2)
inside = 4 * np.sin(np.pi * (x + 0.5) / SIDE) * np.sin(np.pi * (y + 0.5) / SIDE)  # waves end at the border
swirl = np.stack([np.cos(turn) - 1, np.sin(turn)])
truth = np.stack(
    [
        swirl[0] * from_centre[0] - swirl[1] * from_centre[1] + inside * np.sin(y / 20),
        swirl[1] * from_centre[0] + swirl[0] * from_centre[1] + inside * np.sin(x / 25),
    ],
    axis=-1,
)
fixed = map_coordinates(moving, [y + truth[..., 1], x + truth[..., 0]], order=3, mode="nearest")

# %%
# The map between them
# --------------------
#
# It takes pixels of the fixed image to places of the moving one, as ``warp`` looks up.

images = [torch.tensor(image, dtype=torch.float32)[None, None] for image in (moving, fixed)]
fitted = cpabx.register(*images)
warped = fitted.warp(images[0], padding_mode="border")[0, 0].numpy()
found = fitted.displacement((SIDE, SIDE), units="pixels")[0].numpy()
distance = np.linalg.norm(found - truth, axis=-1)
print(fitted.message[0])
print(f"pixels moved by {np.linalg.norm(truth, axis=-1).mean():.2f} in the mean, found to {distance.mean():.2f}")

# %%
# Before and after, and what is left. The grid is what the map makes of straight lines.

panels = {
    "moving": moving,
    "fixed": fixed,
    "moving, warped": warped,
    "difference before": np.abs(moving - fixed),
    "difference after": np.abs(warped - fixed),
}
axes = plt.subplots(2, 3, figsize=(9, 6.2), layout="constrained")[1].flat
for ax, (title, image) in zip(axes, panels.items(), strict=False):
    ax.imshow(image, cmap="gray", vmin=0, vmax=1 if "difference" not in title else 0.4)
    ax.set(title=title, xticks=[], yticks=[])
fitted.plot(ax=axes[5])
axes[5].set(title="the map", xticks=[], yticks=[])
plt.show()
