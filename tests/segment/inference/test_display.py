import numpy as np
import pytest

from segment import SegmentationOptions
from segment.classes import CLASSES, SPIROCHAETE, pixel_classes
from segment.inference.display import discarded, statistics
from segment.inference.segmentation import ClassObjects, segment_probabilities

KNOWN = pixel_classes(CLASSES, {}, {})


def found(labels, lengths=None):
    probability, means = labels.astype(np.float32), np.full(labels.max(), 0.9)
    one = KNOWN[SPIROCHAETE]
    return ClassObjects(one, SPIROCHAETE, labels, labels, probability, means, lengths)


def test_filaments_have_a_length_and_cells_a_diameter():
    labels = np.zeros((100, 100), dtype=np.int32)
    labels[10:14, 10:60] = 1
    labels[50:54, 10:40] = 2
    assert statistics(found(labels), None) == ("2", "3.2 %", "14 px wide", "0.90")
    lengths = np.array([50.4, 30.0])
    assert statistics(found(labels, lengths), None) == ("2", "3.2 %", "40 px long", "0.90")


@pytest.mark.parametrize(("pixels", "shown"), [(80, "0.008 %"), (12345, "1.2 %"), (0, "0 %")])
def test_the_area_of_a_thin_object_is_not_rounded_to_zero(pixels, shown):
    labels = np.zeros((1000, 1000), dtype=np.int32)
    labels.ravel()[:pixels] = 1
    assert statistics(found(labels), None)[1] == shown


def test_cells_that_are_small_or_at_the_border_are_discarded():
    cells = np.zeros((100, 100), dtype=bool)
    cells[30:60, 30:60] = True
    cells[0:20, 70:90] = True
    cells[80:83, 10:13] = True
    probabilities = np.zeros((100, 100, 3), dtype=np.float32)
    probabilities[..., 0], probabilities[..., 1] = ~cells, cells
    options = SegmentationOptions(discard_border=True)
    result = segment_probabilities(probabilities, np.ones_like(cells), KNOWN, 1.0, options)
    shown = discarded(result, result.by_class, options.threshold)
    expected = cells.copy()
    expected[30:60, 30:60] = False
    assert np.array_equal(shown, expected)
    assert not discarded(result, result.by_class[1:], options.threshold).any()
