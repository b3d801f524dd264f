"""All conformance tests, for ``from cpabx.testing.conformance import *``."""

from cpabx.testing.accuracy import TestAccuracy
from cpabx.testing.agreement import TestAgreement
from cpabx.testing.bases import TestBases
from cpabx.testing.borders import TestBorders
from cpabx.testing.contract import TestContract
from cpabx.testing.derivatives import TestDerivatives
from cpabx.testing.differentials import TestDifferentials
from cpabx.testing.draws import TestDraws
from cpabx.testing.empty_input import TestEmptyInput
from cpabx.testing.exact_gradients import TestExactGradients
from cpabx.testing.families import TestFamilies
from cpabx.testing.fills import TestFills, TestNamesOfModes
from cpabx.testing.flow import TestFlow
from cpabx.testing.gradients import TestGradients, TestGradientsOfWarp, TestGradientsOfWarpInAllDimensions
from cpabx.testing.grids import TestGrids
from cpabx.testing.invalid_input import TestInvalidInput, TestUnusualInput
from cpabx.testing.inverse_warps import TestInverseWarps
from cpabx.testing.inverses import TestInverses
from cpabx.testing.label_maps import TestLabelMaps
from cpabx.testing.landmarks import TestLandmarks
from cpabx.testing.layer_bounds import TestLayerBounds
from cpabx.testing.layer_extras import TestLayerExtras
from cpabx.testing.layer_inputs import TestLayerInputs
from cpabx.testing.layers import TestLayers, TestLayersInNetworks
from cpabx.testing.losses import TestLosses
from cpabx.testing.matrices import TestMatrices
from cpabx.testing.nonsense import TestNonsense
from cpabx.testing.not_finite import TestNotFinite
from cpabx.testing.own_families import TestOwnFamilies
from cpabx.testing.portable import TestPortable
from cpabx.testing.priors import TestPriors
from cpabx.testing.recurrent import TestRecurrent
from cpabx.testing.refinement import TestRefinement
from cpabx.testing.registration import TestRegistration, TestRegistrationWithoutGradients
from cpabx.testing.regression import TestFieldsIn, TestVelocitiesAtPoints
from cpabx.testing.sampling import TestSampling
from cpabx.testing.series import TestSeries, TestSeriesInLayers
from cpabx.testing.sharing import TestOneForAll
from cpabx.testing.stretching import TestStretch
from cpabx.testing.too_large import TestTooLarge
from cpabx.testing.volumes import TestVolumes
from cpabx.testing.warping import TestWarping
from cpabx.testing.wrong_types import TestWrongTypes

__all__ = [
    "TestAccuracy",
    "TestAgreement",
    "TestBases",
    "TestBorders",
    "TestContract",
    "TestDerivatives",
    "TestDifferentials",
    "TestDraws",
    "TestEmptyInput",
    "TestExactGradients",
    "TestFamilies",
    "TestFieldsIn",
    "TestFills",
    "TestFlow",
    "TestGradients",
    "TestGradientsOfWarp",
    "TestGradientsOfWarpInAllDimensions",
    "TestGrids",
    "TestInvalidInput",
    "TestInverseWarps",
    "TestInverses",
    "TestLabelMaps",
    "TestLandmarks",
    "TestLayerBounds",
    "TestLayerExtras",
    "TestLayerInputs",
    "TestLayers",
    "TestLayersInNetworks",
    "TestLosses",
    "TestMatrices",
    "TestNamesOfModes",
    "TestNonsense",
    "TestNotFinite",
    "TestOneForAll",
    "TestOwnFamilies",
    "TestPortable",
    "TestPriors",
    "TestRecurrent",
    "TestRefinement",
    "TestRegistration",
    "TestRegistrationWithoutGradients",
    "TestSampling",
    "TestSeries",
    "TestSeriesInLayers",
    "TestStretch",
    "TestTooLarge",
    "TestUnusualInput",
    "TestVelocitiesAtPoints",
    "TestVolumes",
    "TestWarping",
    "TestWrongTypes",
]
