r"""The functions of libcpab, once: what each takes, what it gives, and how large that is.

A function of this module is called as

    function(memory, *inputs, *problem)

with arrays of a framework that a :class:`cpabx.native.memory.Memory` describes, and answers new ones. An input that
may be None stands for zeros. With n_batch fields of V vertices, in n dimensions:

==================================== =======================================
points, tangent_points               (1 or n_batch, n_points, n)
velocity, tangent_velocity           (n_batch, V, n)
images                               (n_batch, channels, \*size), or with channels last
grad_out, and results per point      (n_batch, n_points, n)
gradients                            in the shape of what they belong to
==================================== =======================================

Its problem is what the call computes besides, by the kind of the function:

========== =======================================================================================
flow       the tessellation, and the time (not of ``velocity``)
sampling   the :class:`cpabx.sampling.Sampling`
warp       the tessellation, the time, the size of the output (H, W) and the like, the Sampling
========== =======================================================================================

Options, everywhere: ``n_threads`` (default: those of the memory); ``wanted``, a flag for each result, where None takes
the place of one that is not wanted; and for ``transform``, ``warp`` and their vector-Jacobian products ``tape``,
address and size of memory that the forward call writes and the backward call reads: see :func:`tape_bytes`.

Raises, everywhere:
    RangeError: a field is too large; nothing is written.
    DivergenceError: a trajectory overflowed. Both come later from a device, see :mod:`cpabx.native.report`, and the
        items of the batch that they are about are NaN.
    KeyboardInterrupt: Ctrl-C on the main thread, or whatever another signal's handler raises there; within a
        moment, see :mod:`cpabx.native.interrupts`.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterator, Sequence
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple

from cpabx.errors import OptionError, shown
from cpabx.native.device import launch
from cpabx.native.interrupts import watch
from cpabx.native.library import Library, load
from cpabx.native.status import raise_for_status

if TYPE_CHECKING:
    from cpabx.native.memory import Memory
    from cpabx.sampling.options import Sampling
    from cpabx.tessellation import Tessellation

Array = Any
Shape = tuple[int, ...]


class _Sizes(NamedTuple):
    """What a call says of its sizes, and the struct of its image, if it has one."""

    n_batch: int
    n_points: int
    points_batch: int
    image: Any = None


class Function:
    """A function of libcpab, by its row of the table below.

    Attributes:
        name: that in C, without its prefix.
        inputs: names of its arrays; those in ``optional`` may be None.
        outputs: names of its results, and the rules for their shapes.
        kind: ``"flow"``, ``"sampling"`` or ``"warp"``.
        problem: names of the arguments that its problem has.
        n_options: how many these are.
        shared: numbers of the inputs that all have one item for the whole batch, or none has.
    """

    def __init__(self, name: str, inputs: str, kind: str, timed: bool = True, **outputs: Callable[..., Shape]) -> None:
        names = inputs.split()
        self.name = name
        self.inputs = tuple(name.removesuffix("?") for name in names)
        self.optional = frozenset(name.removesuffix("?") for name in names if name.endswith("?"))
        self.outputs = outputs
        self.kind = kind
        self.timed = timed
        self.problem = tuple(name for name in _PROBLEMS[kind] if timed or name != "time")
        self.n_options = len(self.problem)
        self.__signature__ = _signature("memory", *self.inputs, *self.problem)
        self.shared = tuple(i for i, name in enumerate(self.inputs) if name in _SHARED and kind == "flow")
        self._call = _compiled(self)

    def __call__(
        self,
        memory: Memory,
        *arguments: Any,
        n_threads: int | None = None,
        wanted: Sequence[bool] | None = None,
        tape: tuple[int, int] = (0, 0),
    ) -> Any:
        return self._call(memory, arguments, n_threads, wanted, tape)

    def shapes(self, shapes: Sequence[Sequence[Any]], problem: Sequence[Any], *, channels_last: bool) -> list[Shape]:
        """The shapes of the results for inputs of these shapes; sizes may be what a tracer has for them."""
        return [rule(shapes[0], shapes[1], problem, channels_last) for rule in self.outputs.values()]

    def __repr__(self) -> str:
        return f"<libcpab's {self.name}>"


_SHARED = ("points", "tangent_points")
_PROBLEMS = {
    "flow": ("tessellation", "time"),
    "sampling": ("sampling",),
    "warp": ("tessellation", "time", "output_size", "sampling"),
}


def _signature(*names: str) -> inspect.Signature:
    """What :func:`help` and editors show of a function."""
    options = {"n_threads": None, "wanted": None, "tape": (0, 0)}
    positional = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in names]
    keywords = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=d) for name, d in options.items()]
    return inspect.Signature([*positional, *keywords])


# -- shapes of results, by those of the first two inputs --------------------------------------------


def _cloud(points: Shape, velocity: Shape, *_: Any) -> Shape:
    return (velocity[0], points[1], points[2])


def _matrices(points: Shape, velocity: Shape, *_: Any) -> Shape:
    return (velocity[0], points[1], points[2], points[2])


def _numbers(points: Shape, velocity: Shape, *_: Any) -> Shape:
    return (velocity[0], points[1])


def _like_first(first: Shape, *_: Any) -> Shape:
    return tuple(first)


def _like_second(_: Shape, second: Shape, *__: Any) -> Shape:
    return tuple(second)


def _sampled(images: Shape, points: Shape, _: Any, channels_last: bool) -> Shape:
    return (images[0], points[1], images[-1]) if channels_last else (images[0], images[1], points[1])


def _sample_points(images: Shape, points: Shape, *_: Any) -> Shape:
    return (images[0], points[1], points[2])


def _warped(images: Shape, _: Shape, problem: Sequence[Any], channels_last: bool) -> Shape:
    size = problem[2]
    return (images[0], *size, images[-1]) if channels_last else (images[0], images[1], *size)


# -- calls -----------------------------------------------------------------------------------------


def _image(library: Library, last: bool, shape: Shape, sampling: Sampling, output_size: Sequence[int]) -> Any:
    """The ``cpab_image *`` of images of that shape, which lives as long as the returned object."""
    channels, size = (shape[-1], shape[1:-1]) if last else (shape[1], shape[2:])
    # In the order of coordinates, which is the reverse of an array's axes.
    padding, mode = library.paddings[sampling.padding_mode], library.interpolations[sampling.mode]
    options = [padding, mode, sampling.align_corners, last]
    whole = [library.image_size, len(size), *options, channels, size[::-1], tuple(output_size)[::-1]]
    return library.ffi.new("cpab_image *", whole)


def _flow_sizes(library: Library, last: bool, shapes: Sequence[Shape], problem: Sequence[Any]) -> _Sizes:
    points, velocity = shapes
    return _Sizes(velocity[0], points[1], points[0])


def _sampling_sizes(library: Library, last: bool, shapes: Sequence[Shape], problem: Sequence[Any]) -> _Sizes:
    images, points = shapes
    return _Sizes(images[0], points[1], points[0], _image(library, last, images, problem[0], ()))


def _warp_sizes(library: Library, last: bool, shapes: Sequence[Shape], problem: Sequence[Any]) -> _Sizes:
    images, output_size = shapes[0], problem[2]
    return _Sizes(images[0], math.prod(output_size), 1, _image(library, last, images, problem[3], output_size))


_SIZES = {"flow": _flow_sizes, "sampling": _sampling_sizes, "warp": _warp_sizes}


def _compiled(function: Function) -> Callable[..., Any]:
    """What calls a function, with all that its row says worked out."""
    c_name, n_inputs, n_outputs = f"cpab_{function.name}", len(function.inputs), len(function.outputs)
    sizes_of, rules = _SIZES[function.kind], tuple(function.outputs.values())
    has_tessellation, timed = function.kind != "sampling", function.kind != "sampling" and function.timed
    all_wanted = (True,) * n_outputs
    adds_up = next((i for i, name in enumerate(function.outputs) if name == "grad_points"), None)

    def call(
        memory: Memory,
        arguments: tuple[Any, ...],
        n_threads: int | None,
        wanted: Sequence[bool] | None,
        tape: tuple[int, int],
    ) -> Any:
        if (device_of := getattr(memory, "device", None)) is None:
            device, library, here = None, load(), get_ident()
            if here != watch.thread or library is not watch.library:
                watch.begin(library, here)
        else:
            device = device_of(arguments[0])
            library = device.library
        cast, contiguous, address, null = library.cast, memory.contiguous, memory.address, library.ffi.NULL
        given: list[Any] = [None if array is None else contiguous(array) for array in arguments[:n_inputs]]
        problem, first = arguments[n_inputs:], given[0]
        shapes = (first.shape, given[1].shape)
        sizes = sizes_of(library, memory.channels_last, shapes, problem)
        outputs = [
            memory.empty_like(first, rule(*shapes, problem, memory.channels_last)) if is_wanted else None
            for rule, is_wanted in zip(rules, wanted or all_wanted, strict=True)
        ]
        time = problem[1] if timed else 1.0
        tessellation = problem[0] if has_tessellation else None
        if tessellation is None:
            handle = null
        else:
            handle = tessellation.handle if device is None else tessellation.handle_in(library)
        if device is not None:
            n_threads = 1  # of the CPU, which has nothing to do
        struct = library.ffi.new(
            "cpab_call *",
            [
                library.call_size,
                handle,
                null if sizes.image is None else sizes.image,
                memory.itemsize(first) == 8,  # CPAB_FLOAT32 is 0, CPAB_FLOAT64 is 1
                library.device,
                *sizes[:3],
                time,
                memory.n_threads() if n_threads is None else n_threads,
                0,
                cast(library.void, tape[0]),
                tape[1],
            ],
        )
        arrays = []
        for array in (*given, *outputs):
            arrays.append(null if array is None else cast(library.void, address(array)))
        if device is None:
            status = getattr(library.lib, c_name)(struct, *arrays)
            if status:
                raise_for_status(library, status, item=struct.failed_item, time=time)
        else:
            launch(device, function.name, struct, arrays, tessellation)
        if adds_up is not None and sizes.points_batch != sizes.n_batch and outputs[adds_up] is not None:
            outputs[adds_up] = memory.added_up(outputs[adds_up])
        return outputs[0] if n_outputs == 1 else tuple(outputs)

    return call


# -- the table -------------------------------------------------------------------------------------

#: Points moved along the flow.
transform = Function("transform", "points velocity", "flow", out=_cloud)
#: The vector-Jacobian product of :data:`transform`: gradients of sum(grad_out * out).
transform_vjp = Function(
    "transform_vjp", "points velocity grad_out", "flow", grad_points=_cloud, grad_velocity=_like_second
)
#: The Jacobian-vector product of :data:`transform`: the derivative of the result along tangents.
transform_jvp = Function(
    "transform_jvp", "points velocity tangent_points? tangent_velocity?", "flow", out_tangent=_cloud
)
#: The derivatives of both gradients of :data:`transform_vjp` along tangents.
transform_vjp_jvp = Function(
    "transform_vjp_jvp",
    "points velocity grad_out tangent_points? tangent_velocity?",
    "flow",
    grad_points=_cloud,
    grad_velocity=_like_second,
)
#: Velocities at points.
velocity = Function("velocity", "points velocity", "flow", timed=False, out=_cloud)
#: The derivative of each result of :data:`transform` by its point, (n_batch, n_points, n, n), and log |det| of it.
jacobian = Function("jacobian", "points velocity", "flow", jacobian=_matrices, log_det=_numbers)
#: Gradients of sum(grad_jacobian * jacobian) + sum(grad_log_det * log_det). A cotangent of None costs nothing.
jacobian_vjp = Function(
    "jacobian_vjp",
    "points velocity grad_jacobian? grad_log_det?",
    "flow",
    grad_points=_cloud,
    grad_velocity=_like_second,
)
#: Images, which cover [-1, 1]^n, at points.
sample = Function("sample", "images points", "sampling", out=_sampled)
#: The vector-Jacobian product of :data:`sample`.
sample_vjp = Function(
    "sample_vjp", "images points grad_out", "sampling", grad_images=_like_first, grad_points=_sample_points
)
#: Images over the domain, at where the flow takes the pixels of the output.
warp = Function("warp", "images velocity", "warp", out=_warped)
#: The vector-Jacobian product of :data:`warp`.
warp_vjp = Function("warp_vjp", "images velocity grad_out", "warp", grad_images=_like_first, grad_velocity=_like_second)


def all_functions() -> Iterator[Function]:
    """The rows of the table."""
    return (value for value in globals().values() if isinstance(value, Function))


def tape_bytes(tessellation: Tessellation, itemsize: int, n_batch: int, n_points: int, *, beside: int = 0) -> int:
    """How large a tape should be; 0 where there is nothing to record.

    64 bytes a point, less the bytes that the backward call needs ``beside`` it, which is enough for most fields. The
    environment variable ``CPABX_MAX_TAPE`` bounds it, in bytes: then a part is recorded, and with 0 nothing. Results
    are the same to the last bit with a tape and without. Between the calls, fields, points and images must not change.

    Raises:
        OptionError: that variable is no whole number.
    """
    library = load()
    kinds = [itemsize == 8, library.device]
    sizes = [library.call_size, tessellation.handle, library.ffi.NULL, *kinds, n_batch, n_points, 1]
    enough = int(library.lib.cpab_tape_bytes(library.ffi.new("cpab_call *", sizes)))
    return max(0, _bounded(enough - beside))


def _bounded(tape: int) -> int:
    most = os.environ.get("CPABX_MAX_TAPE")
    if not most:
        return tape
    if not (most.isascii() and most.isdigit()):
        raise OptionError("CPABX_MAX_TAPE must be a whole number of bytes", shown(most), "Correct or unset it.")
    return min(tape, int(most))


def scratch_bytes(
    library: Library,
    function: Function,
    shapes: Sequence[Shape],
    itemsize: int,
    problem: Sequence[Any],
    *,
    channels_last: bool,
) -> int:
    """How much scratch a call of a function takes in the memory of a device, for a framework that plans ahead.

    Args:
        library: that of the device; libcpab takes none.
        function: of this module.
        shapes: of its inputs.
        itemsize: bytes of a number.
        problem: the arguments behind the inputs.
        channels_last: where images have them.
    """
    sizes = _SIZES[function.kind](library, channels_last, shapes[:2], problem)
    null = library.ffi.NULL
    handle = null if function.kind == "sampling" else problem[0].handle_in(library)
    image = null if sizes.image is None else sizes.image
    struct = [library.call_size, handle, image, itemsize == 8, library.device, *sizes[:3], 1.0]
    return int(library.lib.cpab_scratch_bytes(library.ffi.new("cpab_call *", struct), library.functions[function.name]))
