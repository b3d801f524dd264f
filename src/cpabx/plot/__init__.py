"""Pictures of transformations, with matplotlib: ``pip install cpabx[plot]``.

Each function draws one thing and returns where it drew it. ``ax=None`` makes a new figure; none is ever shown or
saved here. Arrays and tensors may come from any backend. Images have their first row on top, hence the y axis of
every picture in 2D points down, and what lies above what is the same in all of them. Lines take the options
of matplotlib's ``LineCollection``.

matplotlib is imported when a function is called, not before.
"""

from cpabx.plot.cells import tessellation
from cpabx.plot.field import paths, velocity_field
from cpabx.plot.grid import deformed_grid
from cpabx.plot.image import before_after

__all__ = ["before_after", "deformed_grid", "paths", "tessellation", "velocity_field"]
