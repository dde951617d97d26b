import numpy as np
import pytest

from segment.evaluation.scores import confusion_matrix, scores


def test_sums_over_images_give_the_scores_of_all_pixels(rng):
    truth, predicted = rng.integers(0, 3, (2, 4, 30, 20)).astype(np.uint8)
    matrix = sum(confusion_matrix(t, p, 3) for t, p in zip(truth, predicted))
    found = scores(matrix)
    for index in range(3):
        t, p = truth == index, predicted == index
        both = (t & p).sum()
        assert found.iou[index] == both / (t | p).sum()
        assert found.dice[index] == 2 * both / (t.sum() + p.sum())
        assert found.precision[index] == both / p.sum()
        assert found.recall[index] == both / t.sum()
    assert found.mean_iou == pytest.approx(found.iou.mean())
    assert found.mean_dice == pytest.approx(found.dice.mean())


def test_a_class_that_never_occurs_is_left_out_of_the_mean():
    found = scores(confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3))
    np.testing.assert_array_equal(found.iou, [0.5, 0.5, np.nan])
    np.testing.assert_array_equal(found.recall, [0.5, 1, np.nan])
    assert found.mean_iou == 0.5
