import numpy as np
import pytest
from matplotlib.figure import Figure

from focusqual.inference.display import (
    STATISTICS,
    arrange,
    draw_distribution,
    seen_patch,
    statistics,
)
from focusqual.inference.measurement import FocusMeasurement
from focusqual.inference.options import RAINBOW


def test_statistics_are_rounded():
    probabilities = np.zeros((1, 3, 11), dtype=np.float32)
    probabilities[0, 0, 0] = probabilities[0, 1, 5] = 1
    probabilities[0, 2] = 1 / 11
    boxes = np.array([[[0, 84 * col, 84, 84] for col in range(3)]])
    measurement = FocusMeasurement(boxes, probabilities, np.ones((1, 3), dtype=bool))
    table = dict(zip(STATISTICS, statistics(measurement)))
    assert table["Expected level"] == "2.5"
    assert [table[name] for name in ("In focus", "Out of focus", "Uncertain")] == ["33 %"] * 3
    assert table["Patches"] == "3"


@pytest.mark.parametrize(
    "certainties, x, patch", [([0.2, 0.9], 60, 1), ([0.9, 0.2], 60, 0), ([0.9, 0.2], 126, None)]
)
def test_the_more_certain_of_two_patches_is_seen(certainties, x, patch):
    boxes = np.array([[0, 0, 84, 84], [0, 42, 84, 84]])
    assert seen_patch(boxes, np.array(certainties), x, 10) == patch


@pytest.mark.parametrize("count", [1, 5])
def test_panels_do_not_overlap(count):
    figure = Figure(constrained_layout=True)
    arrange(figure, count)
    figure.canvas.draw()
    boxes = [axes.get_position() for axes in figure.axes]
    assert len(boxes) == 3 * count + 1
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


@pytest.mark.parametrize("horizontal", [True, False])
def test_no_bar_is_drawn_if_no_patch_counts(horizontal):
    axes = Figure().add_subplot()
    draw_distribution(axes, np.full(11, np.nan), "Image", horizontal, RAINBOW)
    assert all(0 in (bar.get_width(), bar.get_height()) for bar in axes.patches)
