"""Pictures of the user's (--show): how they are read, and where they are drawn."""

from dataclasses import replace

import numpy as np
import pytest

from cpabx_experiments.errors import ExperimentError
from cpabx_experiments.kinds import OWN, TABLE
from cpabx_experiments.output import figures, own_pictures
from cpabx_experiments.training.run import perform
from experiments.tests.run_cases import run_in

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def save(tmp_path):
    def saved(name, pixels, **options):
        Image.fromarray(np.asarray(pixels, np.uint8)).save(tmp_path / name, **options)
        return tmp_path / name

    return saved


def test_the_middle_is_kept_and_a_pixel_is_the_mean_of_what_it_covers(save):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3))
    (found,) = own_pictures.read([save("wide.png", pixels)], (4, 4, 3))
    assert found.dtype == np.uint8
    means = pixels[:, 2:10].reshape(4, 2, 4, 2, 3).mean((1, 3))
    assert np.abs(found - means).max() <= 1  # Pillow rounds rows and columns
    (found,) = own_pictures.read([save("high.png", pixels.transpose(1, 0, 2))], (4, 4, 3))
    assert np.abs(found - means.transpose(1, 0, 2)).max() <= 1


def test_pictures_of_any_kind_become_those_of_the_data_set(save):
    colours = np.broadcast_to([255, 0, 0], (6, 6, 3))
    red, grey = save("red.jpg", colours, quality=95), save("grey.png", np.full((5, 5), 100))
    found = own_pictures.read([red, grey], (4, 6, 1))
    assert found.shape == (2, 4, 6, 1)
    assert np.abs(found[0].astype(int) - 76).max() <= 2  # 0.299 of 255, ITU-R 601
    assert (found[1] == 100).all()
    assert own_pictures.read([grey], (3, 3, 3)).tolist() == np.full((1, 3, 3, 3), 100).tolist()


def test_a_photograph_stands_upright(save):
    pixels = np.zeros((4, 4))
    pixels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # the camera was upside down
    (found,) = own_pictures.read([save("turned.png", pixels, exif=exif)], (4, 4, 1))
    assert found[:, 0, 0].tolist() == [0, 0, 0, 255]


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_named(content, tmp_path):
    path = tmp_path / "mine.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ExperimentError, match=r"--show .*mine\.png must be a picture; got .*\. Name JPEG or PNG files\."
    ):
        own_pictures.read([path], (4, 4, 1))


def test_half_a_picture_is_named(save):
    path = save("half.png", np.random.default_rng(0).integers(0, 256, (40, 40)))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ExperimentError, match=r"half\.png must be a picture"):
        own_pictures.read([path], (4, 4, 1))


def test_they_have_a_picture_of_their_own_with_a_column_for_each_transformer(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "side_by_side", lambda columns: shown.append(columns) or figures.new_figure(1, 1))
    run = run_in(tmp_path)
    mine = np.random.default_rng(1).integers(0, 256, (2, 28, 28, 1), np.uint8)
    results = perform(run)
    assert set(TABLE.finish(run, results)) == set(TABLE.files)
    assert set(TABLE.finish(replace(run, show=mine), results)) == {*TABLE.files, OWN}
    assert [name for name, _ in shown[-1]] == ["as given", "ST-Affine"]
    assert all(np.array_equal(images, mine) for _, images in shown[-1])  # of a network that changes nothing
