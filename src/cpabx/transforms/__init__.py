"""The families of transformations. The mathematics is written once, for every backend."""

from cpabx.transforms.affine import Affine
from cpabx.transforms.base import Transformation
from cpabx.transforms.composition import Composition
from cpabx.transforms.cpab import Cpab
from cpabx.transforms.exponential import AffineDiffeo, Rigid, ScaleTranslate, Similarity
from cpabx.transforms.homography import Homography
from cpabx.transforms.tps import ThinPlateSpline

__all__ = [
    "Affine",
    "AffineDiffeo",
    "Composition",
    "Cpab",
    "Homography",
    "Rigid",
    "ScaleTranslate",
    "Similarity",
    "ThinPlateSpline",
    "Transformation",
]
