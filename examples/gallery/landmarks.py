"""
Landmarks of a face
===================

Points that were set by hand on a photograph go to places of their own, and the rest of the face goes along. Needs
numpy, matplotlib and scikit-image, whose photograph of the astronaut Eileen Collins comes with the package.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import cpabx

cpabx.set_backend("numpy")  # the default
LEFT, TOP, SIDE = 130, 12, 192
photograph = data.astronaut()[TOP : TOP + SIDE, LEFT : LEFT + SIDE] / 255

# %%
# Landmarks
# ---------
#
# In pixels of the whole photograph, (x, y). A pixel is a little square, so pixel 0 has its centre at 0.5 of a domain
# that is as large as the picture: then landmarks stay in pixels.

landmarks = {
    "brows": [(189, 92), (200, 88), (212, 92), (236, 92), (249, 91), (262, 95)],
    "eyes": [(193, 101), (203, 98), (211, 103), (236, 105), (246, 100), (258, 103), (203, 105), (246, 107)],
    "nose": [(223, 125), (211, 129), (234, 130)],
    "mouth": [(204, 140), (222, 142), (243, 141), (222, 152)],
    "outline": [(182, 130), (190, 158), (222, 177), (250, 160), (267, 132), (222, 78), (185, 84), (268, 86)],
}
source = np.concatenate([np.array(part, float) for part in landmarks.values()]) - (LEFT, TOP) + 0.5
domain = ((0, SIDE), (0, SIDE))

# %%
# Another expression
# ------------------
#
# The corners of the mouth go down and in, the lips close in upon each other, and the inner ends of the brows go up.

change = {
    "brows": [(0, 2), (0, 0), (1, -4), (-1, -4), (0, 0), (0, 2)],
    "eyes": [(0, 1), (0, 2), (0, 0), (0, 0), (0, 2), (0, 1), (0, -1), (0, -1)],
    "nose": [(0, 0), (2, 1), (-2, 1)],
    "mouth": [(6, 10), (0, 1), (-6, 10), (0, -2)],
    "outline": [(0, 0)] * 8,
}
target = source + np.concatenate([np.array(part, float) for part in change.values()])

fitted = cpabx.fit_landmarks(source, target, domain=domain)
print(fitted.message[0])
print(f"landmarks are missed by {fitted.distances.max():.1e} pixels at most")

# %%
# The map takes sources to targets. A picture moves along with it by ``unwarp``: what it shows at a target is what the
# photograph shows at the source. ``warp`` would look up the other way.

moved = fitted.unwarp(photograph[None], padding_mode="border")[0]

figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
for ax, picture, points in zip(axes[::2], (photograph, moved), (source, target), strict=True):
    ax.imshow(picture, extent=(0, SIDE, SIDE, 0))
    ax.plot(*points.T, ".", color="white", markeredgecolor="black", markersize=7)
    ax.set_axis_off()
fitted.plot(ax=axes[1])
axes[1].set_title("what becomes of a grid")

# %%
# It never folds
# --------------
#
# A spline can: the map of a field has an inverse, whatever the landmarks ask for. ``folding`` looks at how the map is
# sampled by pixels; ``inverse`` takes the targets back.

print(f"share of pixels that fold: {fitted.folding((SIDE, SIDE))[0]}")
print(f"targets come back to within {np.abs(fitted.inverse(target)[0] - source).max():.1e} pixels")

plt.show()
