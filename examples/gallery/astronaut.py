"""
Warp a photograph
=================

A velocity field, the transformation that it generates, and the same photograph before and after. Needs numpy,
matplotlib and scikit-image, whose photograph of the astronaut Eileen Collins comes with the package.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from skimage import data

import cpabx
from cpabx import plot

cpabx.set_backend("numpy")  # the default
photograph = data.astronaut() / 255  # (512, 512, 3) in [0, 1]; it covers [-1, 1]^2

# %%
# A random field
# --------------
#
# Two by two rectangles make 16 triangles, in each of which the velocity is affine. With a sliding boundary nothing
# crosses the border, so the warped photograph fills the frame. The field (arrows) moves points along paths (blue).

family = cpabx.Cpab((2, 2), boundary="sliding")
theta = family.sample(seed=3, scale=0.8, dtype="float64")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
plot.velocity_field(family, theta, ax=left)
plot.deformed_grid(family, theta, ax=right)

# %%
# The result at x is the photograph at T(x): the straight grid on the right shows what lies under the bent one on the
# left.

plot.before_after(family, photograph, theta)

# %%
# There and back
# --------------
#
# The inverse is the same flow backwards, theta with the other sign. Points return to rounding error. The photograph
# does but for what two interpolations blur.

points = np.random.default_rng(0).uniform(-1, 1, (1000, 2))
there = family.transform(points, theta)[0]
back = family.inverse(there, theta)[0]
print(f"points moved by up to {np.linalg.norm(there - points, axis=1).max():.2f}")
print(f"and came back to within {np.abs(back - points).max():.0e}")

warped = family.warp(photograph[None], theta)
restored = family.warp(warped, -theta)
plot.before_after(family, warped[0], -theta, n_lines=0)
print(f"mean difference of the restored photograph: {np.abs(restored[0] - photograph).mean():.3f}")

# %%
# A transformation that does something
# ------------------------------------
#
# Now theta is learned. Five landmarks of the face, eyes, nose and mouth, shall go to places that are twice as far from
# their centre, and the border stays where it is. ``vjp`` gives the gradient by theta of any loss, here squared
# distances and a little of theta's own size, and scipy minimises it.

family = cpabx.Cpab((5, 5), boundary="fixed")
face = np.array([[-0.21, -0.605], [-0.04, -0.60], [-0.125, -0.52], [-0.185, -0.45], [-0.045, -0.45]])
wanted = (face - face.mean(0)) * 2 + (-0.12, -0.38)


def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """Squared distances of T(wanted) from the face, and their gradient."""
    distance = family.transform(wanted, theta[None]) - face
    _, grad = family.vjp(wanted, theta[None], 2 * distance)
    return (distance**2).sum() + 1e-4 * (theta**2).sum(), grad[0] + 2e-4 * theta


found = minimize(loss, np.zeros(family.n_params), jac=True, method="L-BFGS-B")
theta = found.x[None]
moved = family.transform(wanted, theta)[0]
print(f"distance of the landmarks: {np.linalg.norm(wanted - face, axis=1).mean():.2f} before, ", end="")
print(f"{np.linalg.norm(moved - face, axis=1).mean():.3f} after {found.nit} iterations")

before, after = plot.before_after(family, photograph, theta, n_lines=17)
before.plot(*face.T, "o", color="#d55e00", markersize=5)
after.plot(*wanted.T, "o", color="#d55e00", markersize=5)

# %%
# However strong the field, the transformation does not fold: the determinant of its Jacobian is positive everywhere.

grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 101)] * 2), axis=-1).reshape(-1, 2)
area = np.exp(family.log_det_jacobian(grid, theta)[0])
print(f"areas change by factors from {area.min():.2f} to {area.max():.2f}")
