import numpy as np
import pytest
from support import needs_training

pytestmark = needs_training


@pytest.fixture
def model():
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    model.compile(keras.optimizers.SGD(0.5), loss="mse")
    return model


def learn(model, average, steps, first=0):
    images = np.arange(3 * 4 * steps, dtype=np.float32).reshape(-1, 3) + first
    model.fit(images, images, 4, callbacks=[average], shuffle=False, verbose=0)


def test_the_average_follows_the_weights_of_every_step(tmp_path, model):
    from micrograph_networks.training.averaging import MovingAverage

    average = MovingAverage(tmp_path, model, 0, 1)
    expected = [weights.astype(np.float64) for weights in model.get_weights()]
    for step in range(1, 4):
        learn(model, average, 1)
        added = 9 / (10 + step)
        for mean, weights in zip(expected, model.get_weights()):
            mean += added * (weights - mean)
    for found, mean, weights in zip(average.weights, expected, model.get_weights()):
        np.testing.assert_allclose(found, mean, rtol=1e-5)
        assert np.abs(found - weights).max() > 1e-3


def test_a_resumed_average_is_that_of_an_uninterrupted_training(tmp_path, model):
    from micrograph_networks.training.averaging import MovingAverage

    average = MovingAverage(tmp_path, model, 0, 2)
    learn(model, average, 2)
    average.save(1)
    resumed = MovingAverage(tmp_path, model, 1, 2)
    before = model.get_weights()
    for one in (average, resumed):
        model.set_weights(before)
        learn(model, one, 2, first=7)
    for found, expected in zip(resumed.weights, average.weights):
        np.testing.assert_array_equal(found, expected)
    resumed.save(2)
    resumed.remove_before(2)
    assert [path.name for path in tmp_path.iterdir()] == ["average_0002.npz"]
