"""One image for many theta, and one theta for many images or points, in graphs that do not know how many."""

import numpy as np
import pytest
import tensorflow as tf

import cpabx

FLOW, AFFINE = cpabx.Cpab((2, 2)), cpabx.Affine()
IMAGES = np.random.default_rng(0).uniform(size=(3, 5, 6, 2))


def traced(function, *shapes):
    signature = [tf.TensorSpec(shape, tf.float64) for shape in shapes]
    return tf.function(function, input_signature=signature)


@pytest.mark.parametrize("family", [FLOW, AFFINE], ids=["flow", "affine"])
@pytest.mark.parametrize("inverse", [False, True])
def test_warps(family, inverse):
    theta = family.sample(3, seed=0, backend="numpy", dtype="float64")

    def warp(images, theta):
        return family.warp(images, theta, inverse=inverse)

    unknown, pixels = (None, *IMAGES.shape[1:]), IMAGES.shape[1:]
    cases = [
        ((1, *pixels), (None, family.n_params), IMAGES[:1], theta),
        (unknown, (1, family.n_params), IMAGES, theta[:1]),
        (unknown, (None, family.n_params), IMAGES, theta),
        (unknown, (None, family.n_params), IMAGES[:1], theta[:1]),
        ((None, None, None, 2), (1, family.n_params), IMAGES, theta[:1]),
    ]
    for of_images, of_theta, images, own in cases:
        got = traced(warp, of_images, of_theta)(images, own)
        n = max(len(images), len(own))
        expected = family.warp(
            np.tile(images, (n // len(images), 1, 1, 1)), np.tile(own, (n // len(own), 1)), inverse=inverse
        )
        assert np.abs(got.numpy() - expected).max() <= 1e-12


@pytest.mark.parametrize("family", [FLOW, AFFINE], ids=["flow", "affine"])
def test_points(family):
    theta = family.sample(3, seed=1, backend="numpy", dtype="float64")
    points = np.random.default_rng(1).uniform(-1, 1, (3, 4, 2))
    got = traced(family.transform, (None, 4, 2), (1, family.n_params))(points, theta[:1])
    assert got.shape == (3, 4, 2)
    assert np.abs(got.numpy() - family.transform(points, np.tile(theta[:1], (3, 1)))).max() <= 1e-12
    shared = traced(family.transform, (1, 4, 2), (None, family.n_params))(points[:1], theta)
    assert np.abs(shared.numpy() - family.transform(points[0], theta)).max() <= 1e-12
