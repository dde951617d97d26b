import numpy as np
import pytest
from matplotlib.figure import Figure
from support import measure

from focusqual.inference.display import (
    STATISTICS,
    arrange,
    draw_distribution,
    seen_patch,
    statistics,
)
from focusqual.inference.measurement import FocusMeasurement


def test_table_is_rounded_to_what_means_something():
    probabilities = np.zeros((1, 3, 11), dtype=np.float32)
    probabilities[0, 0, 0] = probabilities[0, 1, 5] = 1
    probabilities[0, 2] = 1 / 11
    boxes = np.array([[[0, 84 * col, 84, 84] for col in range(3)]])
    measurement = FocusMeasurement(boxes, probabilities, np.ones((1, 3), dtype=bool))
    table = dict(zip(STATISTICS, statistics(measurement)))
    assert table["Expected"] == "2.5"
    assert [table[name] for name in ("In focus", "Out of focus", "Uncertain")] == ["33 %"] * 3
    assert table["Patches"] == "3"


def test_the_more_certain_of_two_patches_is_seen():
    boxes = np.array([[0, 0, 84, 84], [0, 42, 84, 84]])
    assert seen_patch(boxes, np.array([0.2, 0.9]), 60, 10) == 1
    assert seen_patch(boxes, np.array([0.9, 0.2]), 60, 10) == 0
    assert seen_patch(boxes, np.array([0.9, 0.2]), 100, 10) == 1
    assert seen_patch(boxes, np.array([0.9, 0.2]), 126, 10) is None


@pytest.mark.parametrize("count", [1, 2, 5])
def test_panels_do_not_overlap(count):
    figure = Figure(constrained_layout=True)
    panels = arrange(figure, count)
    assert len(panels.pictures) == len(panels.distributions) == count
    figure.canvas.draw()
    boxes = [axes.get_position() for axes in figure.axes]
    assert len(boxes) == 2 * count + 1
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


@pytest.mark.parametrize("lying", [True, False])
def test_without_a_patch_that_counts_no_bar_is_drawn(lying):
    axes = Figure().add_subplot()
    measurement = measure(np.zeros((84, 84)), np.zeros((84, 84), dtype=bool))
    draw_distribution(axes, measurement.aggregate, lying)
    assert all((bar.get_width() if lying else bar.get_height()) == 0 for bar in axes.patches)
