"""What notebooks show: bounded, well-formed, escaped, without matplotlib; and text where there is no picture."""

import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

import cpabx
from cpabx import Cpab, FittedTransformation, Tessellation
from cpabx.notebook import drawings

FAMILIES = [
    Cpab((4, 4)),
    Cpab(6, domain=(0, 3)),
    Cpab((2, 1, 2)),
    Cpab((60, 60), basis="nodal"),
    cpabx.Affine(ndim=1),
    cpabx.Rigid(ndim=3),
    cpabx.Homography(),
    cpabx.ThinPlateSpline((4, 4)),
    cpabx.Composition(cpabx.Affine(), Cpab((3, 2))),
    Cpab((3, 2), domain=((0, 2), (5, 6))),
]
TESSELLATIONS = [
    Tessellation((5, 3)),
    Tessellation(7),
    Tessellation((1, 2, 1)),
    Tessellation(5000),
    Tessellation((90, 90)),
]


def parsed(thing):
    """The HTML, which must be XML as well, and small."""
    html = thing._repr_html_()
    assert len(html) < 1 << 16
    return ElementTree.fromstring(html)


def pictures(page):
    return [each for each in page.iter() if each.tag.endswith("svg")]


def places(picture):
    """(P, 2) pixels of all lines, and the size."""
    steps = [each.get("d") for each in picture]
    numbers = [
        step.split() for path in steps for step in path.replace("M", "\n").replace("L", "\n").split("\n") if step
    ]
    return np.array(numbers, float), np.array([float(picture.get("width")), float(picture.get("height"))])


def fit(n=2, family=FAMILIES[0], message=("<b>done</b> & well",)):
    theta = family.sample(n, seed=0, scale=0.5, dtype="float64", backend="numpy")
    return FittedTransformation(family, theta, (np.full(n, 3.0), np.full(n, 0.5)), np.ones(n, bool), message * n)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_families(family):
    page = parsed(family)
    assert repr(family)[:40] in page.find("code").text
    drawn = pictures(page)
    assert len(drawn) == (2 if isinstance(family, Cpab) else 1)
    for picture in drawn:
        pixels, size = places(picture)
        assert (pixels >= 0).all()
        assert (pixels <= size + 0.1).all()
        assert size.max() <= 200


@pytest.mark.parametrize("tess", TESSELLATIONS, ids=repr)
def test_tessellations(tess):
    """Each edge where its vertices are, or the domain alone."""
    (picture,) = pictures(parsed(tess))
    pixels, size = places(picture)
    if tess.ndim == 2 and tess.n_cells <= drawings.MOST_CELLS:
        expected = (tess.vertices - tess.lower) / (tess.upper - tess.lower) * (
            pixels.max(0) - pixels.min(0)
        ) + pixels.min(0)
        shown = {tuple(row) for row in np.rint(pixels).astype(int)}
        assert {tuple(row) for row in np.rint(expected).astype(int)} == shown
    assert (pixels <= size).all()


def test_a_map_is_drawn_as_it_is():
    """A shift by a quarter of the domain moves lines by that; the frame stays."""
    family = cpabx.Affine()
    straight, moved = (
        places(ElementTree.fromstring(drawings.of_map(family, np.array([[1, 0, shift, 0, 1, 0]]))))[0]
        for shift in (0.0, 0.5)
    )
    frame = 8  # four lines of two points
    side = straight[:frame, 1].max() - straight[:frame, 1].min()
    for of, expected in ((straight, 0.0), (moved, 0.25)):
        side_here = of[:frame, 0].max() - of[:frame, 0].min()
        assert (of[frame:, 0].min() - of[:frame, 0].min()) / side_here == pytest.approx(expected, abs=0.01)
    assert side == pytest.approx(168, abs=1)


@pytest.mark.parametrize("family", FAMILIES[:3] + FAMILIES[5:], ids=repr)
def test_fits(family):
    page = parsed(fit(7, family))
    assert len(pictures(page)) == 4
    text = " ".join(page.itertext())
    assert "7, of which the first 4 are drawn" in text
    assert "<b>done</b> & well" in text  # as text, not as a tag
    assert "3, 0.5" in text


def test_the_inverse_is_drawn_as_one():
    one = fit(1)
    assert parsed(one).find("code").text != parsed(one.inverse).find("code").text
    there, back = (places(pictures(parsed(each))[0])[0] for each in (one, one.inverse))
    assert there.shape != back.shape or np.abs(there - back).max() > 1


def test_fits_of_landmarks_say_how_far_they_are():
    source = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 5, 2))
    page = parsed(cpabx.fit_landmarks(source, source + 0.05))
    assert "mean distance of landmarks" in " ".join(page.itertext())


@pytest.mark.parametrize("theta", [np.nan, np.inf, 1e30])
def test_maps_that_cannot_be_drawn(theta):
    """Whatever happened to a fit, a notebook shows it: a picture without the lines, or the text."""
    for family in (Cpab((2, 2)), cpabx.Homography()):
        html = FittedTransformation(family, np.full((1, family.n_params), theta))._repr_html_()
        assert html is None or ElementTree.fromstring(html) is not None


def test_a_family_that_fails_is_shown_as_text():
    class Unfinished(cpabx.Affine):
        def apply(self, backend, points, theta, *, time=1.0):
            raise RuntimeError("not yet")

    assert Unfinished()._repr_html_() is None
    assert repr(Unfinished())


def test_long_texts_are_cut():
    html = fit(1, message=("x" * 100_000,))._repr_html_()
    assert len(html) < 1 << 16
    assert "x ..." in html


@pytest.mark.slow
def test_matplotlib_is_not_imported():
    code = "import sys, cpabx; assert cpabx.Cpab()._repr_html_(); assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
