"""Uses the families in one way, then in another: pairs of ways, each in a process that has not used them before.

Prints what went wrong. test_orders.py runs some first uses before the quick ones; without arguments all are run before
all, in about 15 minutes. Processes are forked, which is much faster than starting them.
"""

import os
import sys
import traceback
import warnings
from functools import partial

import torch
import torch._dynamo
import torch.utils.checkpoint
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap
from torch.fx.experimental.proxy_tensor import make_fx

import cpabx
from cpabx.errors import UnsupportedError
from cpabx.testing import orders

THETA, ALONG = torch.tensor(orders.THETA), torch.tensor(orders.ALONG)
IMAGES, POINTS = torch.tensor(orders.IMAGES).reshape(1, 1, 4, 3), torch.tensor(orders.POINTS)
D = len(THETA)
orders.renew()


def f(theta):
    """A number made of warps and transforms of all families."""
    return sum(warped.square().sum() + moved.cos().sum() for warped, moved in orders.results(theta, IMAGES, POINTS))


def plain(theta):
    """Value and gradient."""
    leaf = theta.clone().requires_grad_()
    value = f(leaf)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def twice(theta):
    leaf = theta.clone().requires_grad_()
    (first,) = torch.autograd.grad(f(leaf), leaf, create_graph=True)
    return None, first.detach(), torch.autograd.grad(first @ ALONG, leaf)[0]


def batched_cotangents(theta):
    leaf = theta.clone().requires_grad_()
    return None, torch.autograd.grad(f(leaf), leaf, torch.ones(2, dtype=leaf.dtype), is_grads_batched=True)[0][1]


def dual(theta):
    with forward_ad.dual_level():
        return None, None, None, forward_ad.unpack_dual(f(forward_ad.make_dual(theta, ALONG))).tangent.clone()


def refused(call):
    def way(theta):
        try:
            call(theta)
        except UnsupportedError:
            return ()
        raise AssertionError("it is not refused")

    return way


def within(mode, function):
    def way(theta):
        with mode():
            return function(theta)

    return way


def fake(theta):
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        f(mode.from_tensor(theta))
    return ()


def meta(theta):
    with torch.device("meta"):
        return (f(theta),)


def compiled(theta):
    leaf = theta.clone().requires_grad_()
    value = torch.compile(f, fullgraph=True, backend="aot_eager")(leaf)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


class _Module(torch.nn.Module):
    def forward(self, theta):
        return f(theta)


def exported(theta):
    return (torch.export.export(_Module(), (theta,)).module()(theta),)


def checkpointed(theta):
    leaf = theta.clone().requires_grad_()
    value = torch.utils.checkpoint.checkpoint(f, leaf, use_reentrant=False)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


#: Each answers, as far as it goes: the value, the gradient, the Hessian along ALONG, the derivative along ALONG.
WAYS = {
    "plain": plain,
    "no_grad": within(torch.no_grad, lambda t: (f(t),)),
    "inference_mode": within(torch.inference_mode, lambda t: (f(t),)),
    "create_graph": twice,
    "is_grads_batched": batched_cotangents,
    "checkpoint": checkpointed,
    "forward_ad": dual,
    "grad": lambda t: (None, grad(f)(t)),
    "vjp": lambda t: (None, vjp(f, t)[1](torch.ones((), dtype=t.dtype))[0]),
    "jvp": lambda t: (None, None, None, jvp(f, (t,), (ALONG,))[1]),
    "jacrev": lambda t: (None, jacrev(f)(t)),
    "jacfwd": lambda t: (None, jacfwd(f)(t)),
    "jacrev(grad)": lambda t: (None, None, jacrev(grad(f))(t) @ ALONG),
    "jacrev(jacfwd)": lambda t: (None, None, jacrev(jacfwd(f))(t) @ ALONG),
    "grad(grad)": lambda t: (None, None, grad(lambda s: grad(f)(s) @ ALONG)(t)),
    "hessian": refused(hessian(f)),
    "vmap": lambda t: (vmap(f)(t.expand(2, -1))[1],),
    "vmap(vmap)": lambda t: (vmap(vmap(f))(t.expand(2, 3, -1))[1, 2],),
    "vmap(grad)": lambda t: (None, vmap(grad(f))(t.expand(2, -1))[1]),
    "grad(vmap)": lambda t: (None, grad(lambda s: vmap(f)(s.expand(2, -1)).mean())(t)),
    "make_fx": lambda t: (make_fx(f)(t)(t),),
    "FakeTensorMode": fake,
    "meta": meta,
    "compile": compiled,
    "export": exported,
    "jit.trace": refused(lambda t: torch.jit.trace(f, t)),
}


#: Ways that take seconds.
SLOW = ("compile", "export", "make_fx")


def in_child(work):
    """What a forked process has to complain about while it does some work."""
    read, write = os.pipe()
    if pid := os.fork():
        os.close(write)
        with open(read) as pipe:
            complaints = pipe.read()
        status = os.waitpid(pid, 0)[1]
        return complaints if status == 0 else complaints + f"died of {status}"
    os.close(read)
    try:
        complaints = work()
    except BaseException:
        complaints = traceback.format_exc(limit=-3)
    with open(write, "w") as pipe:
        pipe.write(complaints or "")
    os._exit(0)


def complaint(names, results):
    """About results that are not what they are elsewhere."""
    for what, got, expected in zip(("value", "gradient", "second", "along"), results, EXPECTED, strict=False):
        if got is not None and not torch.allclose(got.detach(), expected, rtol=1e-9, atol=1e-9):
            return f"{names}: another {what}\n"
    return ""


def expected_values():
    """In a process that then is not used any more."""
    value, gradient = plain(THETA)
    return torch.cat([value[None], gradient, twice(THETA)[2]])


def first_use(first):
    """By this way, and then by each other."""
    found = complaint(first, WAYS[first](THETA))
    return found + "".join(f"{first}, {second}: {c}" for second in SECOND if (c := in_child(partial(then, second))))


def then(second):
    return complaint(second, WAYS[second](THETA))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    cpabx.set_backend("torch")
    read, write = os.pipe()
    if os.fork() == 0:
        with open(write, "wb") as pipe:
            pipe.write(expected_values().numpy().tobytes())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        numbers = torch.frombuffer(bytearray(pipe.read()), dtype=torch.float64)
    EXPECTED = (numbers[0], numbers[1 : D + 1], numbers[D + 1 :], numbers[1 : D + 1] @ ALONG)
    SECOND = [way for way in WAYS if len(sys.argv) == 1 or way not in SLOW]
    for first in sys.argv[1:] or WAYS:
        print(in_child(partial(first_use, first)), end="", flush=True)
