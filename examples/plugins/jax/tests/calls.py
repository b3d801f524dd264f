"""A call of each function of libcpab, with arrays of numbers that have no short decimal form."""

import numpy as np

import cpabx
from cpabx.native import functions
from cpabx.sampling import Sampling

N, P, CHANNELS = 3, 40, 2
SIZES = {1: (9,), 2: (6, 7), 3: (4, 5, 6)}
OUTPUT_SIZES = {1: (7,), 2: (5, 4), 3: (3, 4, 2)}
TESSELLATIONS = [
    cpabx.Tessellation(5, domain=(-1 / 3, 0.7)),
    cpabx.Tessellation((3, 2), domain=((0.1, 1 / 3), (-2.3, 0.7)), outside="nearest"),
    cpabx.Tessellation((2, 1, 2)),
]
TIME = 2 / 3
FUNCTIONS = list(functions.all_functions())


def problem_of(function, tessellation):
    """Sampling takes options that are not the first of each, but for what is not smooth."""
    sampling = Sampling("cubic", "reflection", True)
    size = OUTPUT_SIZES[tessellation.ndim]
    named = {"tessellation": tessellation, "time": TIME, "output_size": size, "sampling": sampling}
    return tuple(named[name] for name in function.problem)


def inputs_of(function, tessellation, dtype, n=N):
    """Points are in the domain and around it; images cover [-1, 1]^n."""
    rng = np.random.default_rng(0)
    ndim, n_vertices = tessellation.ndim, tessellation.n_vertices
    around = tessellation.lower + rng.uniform(-0.2, 1.2, (n, P, ndim)) * (tessellation.upper - tessellation.lower)
    shapes = {
        "points": (n, P, ndim),
        "velocity": (n, n_vertices, ndim),
        "images": (n, *SIZES[ndim], CHANNELS),
        "grad_jacobian": (n, P, ndim, ndim),
        "grad_log_det": (n, P),
    }
    shapes |= {"tangent_points": shapes["points"], "tangent_velocity": shapes["velocity"]}
    problem = problem_of(function, tessellation)
    made = []
    for name in function.inputs:
        if name == "grad_out":  # like the result
            (shape,) = forward_of(function).shapes([x.shape for x in made], problem, channels_last=True)
        else:
            shape = shapes[name]
        made.append(around if name == "points" else rng.normal(scale=0.3, size=shape))
    return [array.astype(dtype) for array in made]


def forward_of(function):
    """The function that this one is a derivative of."""
    return getattr(functions, function.name.removesuffix("_jvp").removesuffix("_vjp"))
