"""Operators of cpabx-onnx in onnxruntime beside libcpab's own calls from numpy: ``python -m benchmarks.serving``.

Both compute the same bits with as many threads; a row is the median over rounds, in which the two take turns, of the
time of a session's run over that of the call. ``--threads`` is how many threads both may use (default: 1).
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

import cpabx
import cpabx_onnx
from benchmarks.timing import seconds
from cpabx import native
from cpabx.native import functions
from cpabx.sampling import Sampling

N_ROUNDS, LEAST = 15, 0.05  # seconds of a round of one contestant


class ChannelsFirst(native.HostArrays):
    """Arrays of numpy, as onnxruntime has images."""

    channels_last = False


class Task(NamedTuple):
    """A call: the operator, the function of libcpab, their options by name, and their arrays."""

    name: str
    operator: str
    function: functions.Function
    options: dict[str, Any]
    inputs: dict[str, Any]


def tasks() -> Iterator[Task]:
    """Small and large calls of each operator."""
    rng = np.random.default_rng(0)
    for n, side in ((1, 28), (64, 28), (8, 224)):
        tess, size = cpabx.Cpab((4, 4)).tessellation, (side, side)
        velocity = rng.normal(scale=0.1, size=(n, tess.n_vertices, 2)).astype(np.float32)
        points = rng.uniform(-1, 1, (n, side * side, 2)).astype(np.float32)
        images = rng.normal(size=(n, 3, *size)).astype(np.float32)
        flow = {"tessellation": tess, "time": 1.0}
        whole = {**flow, "output_size": size, "sampling": Sampling()}
        moved = {"points": points, "velocity": velocity}
        label = f"{n} x {side} x {side}"
        yield Task(f"transform, {label}", "CpabTransform", functions.transform, flow, moved)
        sampled = {"images": images, "points": points}
        yield Task(f"sample, {label}", "CpabSample", functions.sample, {"sampling": Sampling()}, sampled)
        warped = {"images": images, "velocity": velocity}
        yield Task(f"warp, {label}", "CpabWarp", functions.warp, whole, warped)


def in_session(task: Task, n_threads: int) -> Callable[[], Any]:
    """The operator as the only one of a model."""
    node = cpabx_onnx.node(task.operator, list(task.inputs), ["out"], **task.options)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (*task.inputs, "out")]
    graph = helper.make_graph([node], "task", values[:-1], values[-1:])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(cpabx_onnx.DOMAIN, cpabx_onnx.VERSION)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    cpabx_onnx.register(options)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return lambda: session.run(None, task.inputs)[0]


def natively(task: Task, n_threads: int) -> Callable[[], Any]:
    memory, arguments = ChannelsFirst(), (*task.inputs.values(), *task.options.values())
    return lambda: task.function(memory, *arguments, n_threads=n_threads)


def compared(task: Task, n_threads: int) -> tuple[float, float]:
    """Seconds of the native call, and the ratio."""
    ours, theirs = natively(task, n_threads), in_session(task, n_threads)
    np.testing.assert_array_equal(theirs(), ours())
    n_calls = max(1, round(LEAST / seconds(ours)))

    def taken(call: Callable[[], Any]) -> float:
        return seconds(lambda: [call() for _ in range(n_calls)]) / n_calls

    rounds = [(taken(ours), taken(theirs)) for _ in range(N_ROUNDS)]
    return statistics.median(a for a, _ in rounds), statistics.median(b / a for a, b in rounds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    parser.add_argument("--threads", type=int, default=1)
    n_threads = parser.parse_args().threads
    os.environ["CPABX_NUM_THREADS"] = str(n_threads)
    print("| float32 | native, ms | onnxruntime / native |\n| --- | --- | --- |")
    for task in tasks():
        native_time, ratio = compared(task, n_threads)
        print(f"| {task.name} | {1000 * native_time:.3f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
