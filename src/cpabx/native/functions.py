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

import functools
import inspect
import math
import os
from collections.abc import Callable, Iterator, Sequence
from threading import get_ident
from typing import TYPE_CHECKING, Any

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


@functools.lru_cache(256)
def _image_struct(last: bool, shape: Shape, output_size: Shape, padding: str, mode: str, align_corners: bool) -> Any:
    library = load()  # all libraries have its header
    channels, size = (shape[-1], shape[1:-1]) if last else (shape[1], shape[2:])
    # In the order of coordinates, which is the reverse of an array's axes.
    options = [library.paddings[padding], library.interpolations[mode], align_corners, last]
    whole = [library.image_size, len(size), *options, channels, size[::-1], output_size[::-1]]
    return library.ffi.new("cpab_image *", whole)


def _image(last: bool, shape: Shape, sampling: Sampling, output_size: Sequence[int]) -> Any:
    """The ``cpab_image *`` of images of that shape, which lives as long as the returned object; nobody writes to it."""
    options = sampling.padding_mode, sampling.mode, sampling.align_corners
    return _image_struct(last, tuple(shape), tuple(output_size), *options)


# What a call says of its sizes: n_batch, n_points, points_batch; and the struct of its image, or None.


def _flow_sizes(last: bool, first: Shape, second: Shape, problem: Sequence[Any]) -> tuple[Any, ...]:
    return second[0], first[1], first[0], None


def _sampling_sizes(last: bool, first: Shape, second: Shape, problem: Sequence[Any]) -> tuple[Any, ...]:
    return first[0], second[1], second[0], _image(last, first, problem[0], ())


def _warp_sizes(last: bool, first: Shape, second: Shape, problem: Sequence[Any]) -> tuple[Any, ...]:
    output_size = problem[2]
    return first[0], math.prod(output_size), 1, _image(last, first, problem[3], output_size)


_SIZES = {"flow": _flow_sizes, "sampling": _sampling_sizes, "warp": _warp_sizes}


def _compiled(function: Function) -> Callable[..., Any]:
    """What calls a function, with all that its row says worked out.

    It is on the way of each call, and what a small one costs: so it is one function, of loops and few objects.
    """
    name, n_inputs, n_outputs = function.name, len(function.inputs), len(function.outputs)
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
        contiguous, address, last = memory.contiguous, memory.address, memory.channels_last
        given: list[Any] = []
        outputs: list[Any] = []  # with the others, what lives until the call is over
        addresses: list[int] = []
        for array in arguments[:n_inputs]:
            given.append(None if array is None else contiguous(array))
            addresses.append(0 if array is None else address(given[-1]))
        problem, first = arguments[n_inputs:], given[0]
        shape, other = first.shape, given[1].shape
        n_batch, n_points, points_batch, image = sizes_of(last, shape, other, problem)
        for rule, is_wanted in zip(rules, wanted or all_wanted, strict=True):
            array = memory.empty_like(first, rule(shape, other, problem, last)) if is_wanted else None
            outputs.append(array)
            addresses.append(0 if array is None else address(array))
        time = problem[1] if timed else 1.0
        tessellation, handle = None, library.null
        if has_tessellation:
            tessellation = problem[0]
            handle = tessellation.handle if device is None else tessellation.handle_in(library)
        if n_threads is None:
            n_threads = memory.n_threads() if device is None else 1  # of the CPU, which has nothing to do
        struct = library.ffi.new(
            library.call,
            [
                library.call_size,
                handle,
                image or library.null,
                memory.itemsize(first) == 8,  # CPAB_FLOAT32 is 0, CPAB_FLOAT64 is 1
                library.device,
                n_batch,
                n_points,
                points_batch,
                time,
                n_threads,
                0,
                library.cast(library.void, tape[0]) if tape[1] else library.null,
                tape[1],
            ],
        )
        if device is None:
            status = library.entries[name](struct, *addresses)
            if status:
                raise_for_status(library, status, item=struct.failed_item, time=time)
        else:
            launch(device, name, struct, addresses, tessellation)
        if adds_up is not None and points_batch != n_batch and outputs[adds_up] is not None:
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
    sizes = [library.call_size, tessellation.handle, library.null, *kinds, n_batch, n_points, 1]
    enough = int(library.lib.cpab_tape_bytes(library.ffi.new(library.call, sizes)))
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
    *sizes, image = _SIZES[function.kind](channels_last, shapes[0], shapes[1], problem)
    handle = library.null if function.kind == "sampling" else problem[0].handle_in(library)
    struct = [library.call_size, handle, image or library.null, itemsize == 8, library.device, *sizes, 1.0]
    return int(library.lib.cpab_scratch_bytes(library.ffi.new(library.call, struct), library.functions[function.name]))
