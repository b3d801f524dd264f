"""LFW: folds and pairs as pairs.txt has them, photographs from folders and archives, and pairs formed anew."""

import itertools
import os

import numpy as np
import pytest

from cpabx.errors import OptionError
from cpabx_experiments.data import lfw, pictures
from cpabx_experiments.data.form import form_pairs
from cpabx_experiments.errors import DataError, ExperimentError
from experiments.tests import faces as made

pytest.importorskip("PIL", reason="photographs need Pillow")

#: Pillow reduces along rows, then along columns, and rounds to whole numbers after each.
TWO_ROUNDINGS = 1.0


@pytest.fixture(scope="module")
def images():
    return made.lfw_images()


@pytest.fixture(scope="module")
def root(tmp_path_factory, images):
    folder = tmp_path_factory.mktemp("lfw")
    made.write_lfw(folder, images, "tar")
    return folder


def pixels(images, fold, n, k):
    name = made.person(fold, n)
    return images[f"{name}/{name}_{k:04d}.jpg"][0]


@pytest.mark.parametrize("kind", ["folder", "tar", "tgz"])
def test_folds_are_those_of_the_file(tmp_path, images, kind):
    backwards = dict(reversed(images.items()))  # an archive may have any order
    made.write_lfw(tmp_path, backwards, kind)
    folds = lfw.folds(tmp_path)
    assert len(folds) == 10
    assert all(fold.images is folds[0].images for fold in folds)
    assert folds[0].images.shape == (10 * 5, 250, 250, 3)  # only what pairs name, each once
    wanted = [((0, 1), (0, 2)), ((1, 1), (1, 3)), ((0, 1), (1, 1)), ((1, 3), (2, 1))]
    for number, fold in enumerate(folds):
        assert fold.same.tolist() == [1, 1, 0, 0]
        for left, right, (one, other) in zip(fold.left, fold.right, wanted, strict=True):
            np.testing.assert_array_equal(fold.images[left], pixels(images, number, *one))
            np.testing.assert_array_equal(fold.images[right], pixels(images, number, *other))


def test_reduced_pixels_are_means_of_the_middle(root, images):
    fold = lfw.folds(root, 50, crop=200)[3]
    middle = pixels(images, 3, 0, 1)[25:225, 25:225].astype(float)
    means = middle.reshape(50, 4, 50, 4, 3).mean((1, 3))
    assert np.abs(fold.images[fold.left[0]] - means).max() <= TWO_ROUNDINGS


def test_by_default_all_of_the_photograph_is_kept(root, images):
    fold = lfw.folds(root, 125)[0]
    means = pixels(images, 0, 0, 1).astype(float).reshape(125, 2, 125, 2, 3).mean((1, 3))
    assert np.abs(fold.images[fold.left[0]] - means).max() <= TWO_ROUNDINGS


@pytest.mark.parametrize(("size", "crop"), [(251, None), (101, 100), (None, 300), (0, None), (10, -1)])
def test_pictures_are_not_enlarged(root, size, crop):
    with pytest.raises(OptionError, match="cropped and reduced, not enlarged"):
        lfw.folds(root, size, crop=crop)


def test_cache_is_used_and_is_the_same(root, tmp_path, monkeypatch):
    fresh = lfw.folds(root, 25)[0].images
    np.testing.assert_array_equal(lfw.folds(root, 25, cache=tmp_path / "c")[0].images, fresh)
    assert len(list((tmp_path / "c").iterdir())) == 1
    monkeypatch.setattr(pictures, "_fill", lambda *arguments: pytest.fail("reads again"))
    np.testing.assert_array_equal(lfw.folds(root, 25, cache=tmp_path / "c")[0].images, fresh)


def test_cache_is_of_one_archive_view_and_selection(tmp_path, images):
    path = made.write_lfw(tmp_path, images, "tar")
    cache = tmp_path / "cache"
    lfw.folds(tmp_path, 25, cache=cache)
    lfw.folds(tmp_path, 20, cache=cache)
    lfw.folds(tmp_path, 25, crop=100, cache=cache)
    lfw.faces(tmp_path, 25, everything=True, cache=cache)
    os.utime(path, (1, 1))
    lfw.folds(tmp_path, 25, cache=cache)
    assert len(list(cache.iterdir())) == 5


def test_a_damaged_cache_is_made_anew(root, tmp_path):
    fresh = lfw.folds(root, 25, cache=tmp_path)[0].images.copy()
    (file,) = tmp_path.iterdir()
    for content in (b"", file.read_bytes()[:-5]):
        file.write_bytes(content)
        np.testing.assert_array_equal(lfw.folds(root, 25, cache=tmp_path)[0].images, fresh)


def test_a_failure_leaves_nothing_in_the_cache(tmp_path, images):
    made.write_lfw(tmp_path, dict(list(images.items())[:-3]), "tar")
    with pytest.raises(DataError):
        lfw.folds(tmp_path, 25, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_is_a_file(root, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExperimentError, match="Choose another folder"):
        lfw.folds(root, 25, cache=tmp_path / "file")


# -- what is wrong ----------------------------------------------------------------------------------


def change_picture(images, content):
    name = f"{made.person(4, 0)}/{made.person(4, 0)}_0001.jpg"
    return name, {**images, name: (None, content(images[name][1]))}


PICTURES = {
    "another": (lambda old: b"no picture", "cannot identify"),
    "truncated": (lambda old: old[:5000], "truncated|broken"),
    "size": (lambda old: made.picture((250, 249), 0)[1], "250 x 250 pixels; got 249 x 250"),
    "empty": (lambda old: b"", "cannot identify"),
}


@pytest.mark.parametrize(("content", "message"), PICTURES.values(), ids=PICTURES)
def test_a_damaged_picture_is_named(tmp_path, images, content, message):
    name, changed = change_picture(images, content)
    path = made.write_lfw(tmp_path, changed, "tar")
    with pytest.raises(DataError, match=message) as caught:
        lfw.folds(tmp_path, 25)
    assert str(path / name) in str(caught.value)
    assert "vis-www.cs.umass.edu/lfw" in caught.value.remedy


@pytest.mark.parametrize("kind", ["folder", "tar", "tgz"])
def test_missing_pictures_are_counted(tmp_path, images, kind):
    path = made.write_lfw(tmp_path, dict(list(images.items())[:-9]), kind)  # all of fold 9, of which 5 are in pairs
    with pytest.raises(DataError, match=r"without Fold9_Person0/Fold9_Person0_0001.jpg and 4 others") as caught:
        lfw.folds(tmp_path, 25)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", ["tar", "tgz"])
@pytest.mark.parametrize("part", [0.5, 0.999])
def test_truncated_archive(tmp_path, images, kind, part):
    path = made.write_lfw(tmp_path, dict(list(images.items())[-9:]), kind)
    (tmp_path / "lfw" / "pairs.txt").write_text(made.lfw_pairs())
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(DataError, match=str(path)):
        lfw.folds(tmp_path, 25)


def test_missing_archive_and_pairs(tmp_path):
    with pytest.raises(DataError, match=r"pairs\.txt must be a text file.*No such file"):
        lfw.folds(tmp_path)
    (tmp_path / "lfw").mkdir()
    (tmp_path / "lfw" / "pairs.txt").write_text(made.lfw_pairs())
    with pytest.raises(DataError, match=r"lfw must be a folder with one of .*lfw\*\.tgz"):
        lfw.folds(tmp_path)


LINES = made.lfw_pairs().splitlines()
PAIRS = {
    "empty": ([], "got an empty file"),
    "first": (["300", *LINES[1:]], "begins with 10 and the pairs per fold.*got '300'"),
    "folds": (["5\t4", *LINES[1:]], "begins with 10"),
    "none": (["10\t0"], "begins with 10"),
    "short": (LINES[:-1], "41 lines.*got 40"),
    "long": ([*LINES, LINES[-1]], "41 lines.*got 42"),
    "kind": ([*LINES[:2], LINES[3], *LINES[3:]], "line 3 is name, number, number; got"),
    "number": ([LINES[0], "Fold0_Person0\tone\t2", *LINES[2:]], "line 2 is name, number, number; got"),
    "other": ([*LINES[:3], "A\t1\tB", *LINES[4:]], "line 4 is name, number, name, number; got"),
    "twice": ([*LINES[:5], LINES[1], *LINES[6:]], "Fold0_Person0 in fold 0 and in fold 1"),
}


@pytest.mark.parametrize(("lines", "message"), PAIRS.values(), ids=PAIRS)
def test_what_is_wrong_with_the_pairs(tmp_path, lines, message):
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=message) as caught:
        lfw.read_pairs(path)
    assert str(path) in str(caught.value)


# -- the unrestricted setting -----------------------------------------------------------------------


def test_people_of_images(root, images):
    faces = lfw.faces(root, 25, everything=True)
    assert len(faces.images) == 90
    assert np.bincount(faces.people).tolist() == [3] * 30
    assert np.bincount(faces.fold_of).tolist() == [3] * 10
    for fold in faces.folds:
        np.testing.assert_array_equal(faces.people[fold.left] == faces.people[fold.right], fold.same == 1)


@pytest.mark.parametrize("test", [0, 9])
def test_nobody_is_trained_on_and_tested_with(root, test):
    faces = lfw.faces(root, 25)
    pairs = faces.unrestricted(test, 18, 500, seed=1)
    tested = {faces.people[i] for fold in [faces.folds[test]] for i in (*fold.left, *fold.right)}
    trained = set(faces.people[pairs.left]) | set(faces.people[pairs.right])
    assert len(tested) == 3
    assert len(trained) == 27
    assert tested & trained == set()
    np.testing.assert_array_equal(faces.people[pairs.left] == faces.people[pairs.right], pairs.same == 1)


def test_no_more_pairs_than_there_are(root):
    faces = lfw.faces(root, 25)  # in pairs: 5 images per fold, of which 2 times 2 are of one person
    with pytest.raises(OptionError, match=r"45 images make 18 pairs of one person; got 1000 to form"):
        faces.unrestricted(0, 1000, 1, seed=0)
    with pytest.raises(OptionError, match="pairs of two people"):
        faces.unrestricted(0, 1, 10**6, seed=0)
    with pytest.raises(OptionError, match="0 to 9; got 10"):
        faces.unrestricted(10, 1, 1, seed=0)


PEOPLE = np.array([2, 0, 1, 0, 2, 0, 1, 1, 3, 0])


def all_pairs(same):
    n = range(len(PEOPLE))
    return {(i, j) for i, j in itertools.combinations(n, 2) if (PEOPLE[i] == PEOPLE[j]) == same}


def formed(positive, negative, seed):
    left, right, same = form_pairs(PEOPLE, positive, negative, seed)
    assert same.dtype == np.float32
    assert same.tolist() == [1] * positive + [0] * negative
    return list(zip(left.tolist(), right.tolist(), strict=True))


def test_all_pairs_can_be_formed_and_each_comes_once():
    positive, negative = all_pairs(True), all_pairs(False)
    pairs = formed(len(positive), len(negative), seed=0)
    assert {tuple(sorted(pair)) for pair in pairs[: len(positive)]} == positive
    assert {tuple(sorted(pair)) for pair in pairs[len(positive) :]} == negative


def test_a_seed_gives_the_same_pairs_and_another_others():
    assert formed(4, 9, seed=3) == formed(4, 9, seed=3)
    assert formed(4, 9, seed=3) != formed(4, 9, seed=4)


def test_none_of_a_kind():
    assert all(pair in all_pairs(False) for pair in formed(0, 5, seed=0))
    assert all(tuple(sorted(pair)) in all_pairs(True) for pair in formed(5, 0, seed=0))


def test_pairs_are_drawn_evenly():
    """Chi-squared over 1000 draws: each pair of two people has the same chance."""
    from scipy.stats import chisquare

    counts = dict.fromkeys(sorted(all_pairs(False)), 0)
    for seed in range(1000):
        for i, j in formed(0, 7, seed):
            counts[min(i, j), max(i, j)] += 1
    assert chisquare(list(counts.values())).pvalue > 1e-3
