"""What a job is trained on and tested with, and how photographs are changed."""

from dataclasses import replace

import numpy as np
import pytest

from cpabx.errors import OptionError
from cpabx_experiments.data import Dataset, Pairs
from cpabx_experiments.data.lfw import Faces
from cpabx_experiments.protocol import augmentation, material
from cpabx_experiments.protocol.augmentation import augment
from cpabx_experiments.protocol.experiments import protocol
from cpabx_experiments.protocol.jobs import Job

JOB = Job("CNN", 0, 1e-3)


@pytest.fixture
def digits(monkeypatch):
    """Training and test images that are told apart by their brightness."""

    def load(name, root, part):
        n = {"train": 30, "test": 12}[part]
        images = np.zeros((n, 28, 28, 1), np.float32)
        images[:, 10:18, 10:18] = {"train": 0.25, "test": 0.5}[part]
        return Dataset(f"{name} {part}", images, np.arange(n) % 3)

    monkeypatch.setattr(material.data, "load", load)


@pytest.mark.parametrize("name", ["mnist-rts", "mnist-cpab"])
def test_distorted_digits_are_on_the_canvas_and_the_same_every_time(name, digits, tmp_path):
    chosen = replace(protocol(name), train=9)
    found, again = (material.material(chosen, tmp_path)(JOB) for _ in range(2))
    assert found.train.images.shape == (9, 42, 42, 1)
    assert found.test.images.shape == (12, 42, 42, 1)
    assert np.array_equal(found.train.images, again.train.images)
    assert found.before.images.shape == (12, 28, 28, 1)
    assert np.bincount(found.train.labels).tolist() == [3, 3, 3]
    assert found.train.images.max() < 0.26 < found.test.images.max()


def test_a_training_and_a_test_image_are_not_distorted_alike(digits, tmp_path):
    found = material.material(replace(protocol("mnist-rts"), train=12), tmp_path)(JOB)
    assert np.abs(2 * found.train.images[:12] - found.test.images).max() > 0.1


def test_undistorted_images_are_left_alone(digits, tmp_path):
    found = material.material(replace(protocol("mnist"), train=None), tmp_path)(JOB)
    assert found.train.images.shape == (30, 28, 28, 1)
    assert found.before is None


def test_more_images_than_there_are_are_refused(digits, tmp_path):
    with pytest.raises(OptionError, match="1 to 30"):
        material.material(replace(protocol("mnist"), train=31), tmp_path)


def test_each_experiment_reads_a_folder_of_its_own_but_the_digits():
    names = {name: material.source_name(protocol(name)) for name in ("digits", "mnist-rts", "mnist", "lfw", "pca")}
    assert names == {"digits": None, "mnist-rts": "mnist", "mnist": "mnist", "lfw": "lfw", "pca": "lfw"}


@pytest.fixture
def faces(monkeypatch):
    """Three people of three photographs in each fold."""
    people = np.repeat(np.arange(30), 3)
    images = np.tile(people[:, None, None, None], (1, 32, 32, 3)).astype(np.uint8)
    folds = []
    for fold in range(10):
        first = 9 * fold
        left, right = (
            np.array([first, first + 3, first, first + 3]),
            np.array([first + 1, first + 4, first + 3, first + 6]),
        )
        folds.append(Pairs(f"fold {fold}", images, left, right, (people[left] == people[right]).astype(np.float32)))
    found = Faces(images, people, tuple(folds), np.arange(30) // 3)
    monkeypatch.setattr(material, "faces", lambda *args, **options: found)
    return found


def people_of(pairs, faces):
    return set(faces.people[np.concatenate([pairs.left, pairs.right])])


@pytest.mark.parametrize("name", ["lfw", "lfw-unrestricted"])
@pytest.mark.parametrize("seed", [0, 7, 13])
def test_nobody_is_trained_on_and_tested_with(name, seed, faces, tmp_path):
    chosen = protocol(name)
    chosen = replace(chosen, formed=20) if chosen.formed else chosen
    found = material.material(chosen, tmp_path)(Job("CNN", seed, 1e-3))
    assert people_of(found.test, faces) <= set(np.flatnonzero(faces.fold_of == seed % 10))
    assert not people_of(found.train, faces) & set(np.flatnonzero(faces.fold_of == seed % 10))
    assert len(found.train) == (40 if chosen.formed else 36)
    assert np.array_equal(found.train.same, faces.people[found.train.left] == faces.people[found.train.right])


# -- augmentation ----------------------------------------------------------------------------------


def blob(height, width, row, column):
    y, x = np.mgrid[:height, :width]
    return np.exp(-((y - row) ** 2 + (x - column) ** 2) / 4)[None, :, :, None].astype(np.float32)


def centre_of_mass(images):
    y, x = np.mgrid[: images.shape[1], : images.shape[2]]
    weights = images[..., 0] / images[..., 0].sum((1, 2), keepdims=True)
    return np.stack([(weights * y).sum((1, 2)), (weights * x).sum((1, 2))], axis=1)


def test_without_rotation_and_translation_half_of_the_images_are_mirrored(monkeypatch):
    monkeypatch.setattr(augmentation, "ROTATION", 0.0)
    monkeypatch.setattr(augmentation, "TRANSLATION", 0.0)
    images = np.random.default_rng(0).random((40, 6, 8, 3), np.float32)
    found = augment(images, np.random.default_rng(1))
    same = np.abs(found - images).max((1, 2, 3)) < 1e-5
    mirrored = np.abs(found - images[:, :, ::-1]).max((1, 2, 3)) < 1e-5
    assert np.array_equal(same, ~mirrored)
    assert 10 < same.sum() < 30


def test_a_rotation_keeps_distances_in_pixels_although_images_are_not_square(monkeypatch):
    monkeypatch.setattr(augmentation, "ROTATION", 40.0)
    monkeypatch.setattr(augmentation, "TRANSLATION", 0.0)
    images = np.repeat(blob(31, 41, 15 + 6, 20 + 2), 20, axis=0)
    offsets = centre_of_mass(augment(images, np.random.default_rng(0))) - (15, 20)
    assert np.hypot(*offsets.T) == pytest.approx(np.hypot(6, 2), abs=0.05)
    angles = np.rad2deg(np.arctan2(np.abs(offsets[:, 1]), offsets[:, 0]))
    assert angles.std() > 10


def test_a_translation_is_at_most_a_tenth_of_half_a_side(monkeypatch):
    monkeypatch.setattr(augmentation, "ROTATION", 0.0)
    offsets = centre_of_mass(augment(np.repeat(blob(41, 41, 20, 20), 50, axis=0), np.random.default_rng(0))) - 20
    assert 1.5 < np.abs(offsets).max() <= 0.1 * 20.5 + 0.05


def test_the_border_goes_on_and_chance_comes_from_the_generator_alone():
    images = np.full((4, 8, 8, 3), 0.5, np.float32)
    assert augment(images, np.random.default_rng(0)) == pytest.approx(images, abs=1e-6)
    other = np.random.default_rng(0).random((4, 8, 8, 3), np.float32)
    one, two = (augment(other, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, augment(other, np.random.default_rng(4)))
