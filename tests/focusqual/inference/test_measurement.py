import numpy as np
import pytest
from support import focus_model, measure

from focusqual import FocusOptions, measure_focus
from focusqual.inference.measurement import SUMMARY, FocusMeasurement, certainty, expected_level
from focusqual.inference.model import FocusModel, load_model
from focusqual.inference.patches import PATCH_SIZE
from focusqual.inference.picture import annotate
from focusqual.simulation.scenes import nuclei
from micrograph_networks.errors import UserError
from micrograph_networks.models.batching import BatchRunner

FLAT = np.full(11, 1 / 11)
SURE = np.eye(11)


def summary_of(probabilities, counted=None, **options):
    """Return the summary of a measurement of one row of patches."""
    probabilities = np.asarray(probabilities, dtype=np.float32)[None]
    count = probabilities.shape[1]
    boxes = np.array([[(0, 84 * col, 84, 84) for col in range(count)]])
    counted = np.ones((1, count), bool) if counted is None else np.array([counted])
    summary = FocusMeasurement(boxes, probabilities, counted, FocusOptions(**options)).summary
    assert tuple(summary) == SUMMARY
    return summary


def test_score_certainty_and_expected_level():
    assert summary_of([0.3 * SURE[0] + 0.3 * SURE[1] + 0.4 * SURE[5]])["score"] == 1
    assert certainty(FLAT) == pytest.approx(0, abs=1e-6)
    assert certainty(SURE[4]) == pytest.approx(1)
    half = (SURE[2] + SURE[4]) / 2
    assert certainty(half) == pytest.approx(1 - np.log(2) / np.log(11))
    assert expected_level(half) == 3


def test_blank_patches_do_not_change_the_score():
    summary = summary_of([SURE[7]] + [FLAT] * 50)
    assert summary["score"] == 7
    assert summary["expected_level"] == pytest.approx(7, abs=1e-3)
    assert summary["certainty_max"] == pytest.approx(1)
    assert summary["certainty_mean"] == pytest.approx(1 / 51, abs=1e-4)
    assert summary["certainty_weighted_mean"] == pytest.approx(1, abs=1e-4)
    assert summary["fraction_uncertain"] == pytest.approx(50 / 51)


def test_product_multiplies_the_distributions():
    first, second = 0.7 * SURE[1] + 0.3 * SURE[2], 0.4 * SURE[1] + 0.6 * SURE[2]
    summary = summary_of([first, second], aggregation="product")
    assert summary["p1"] == pytest.approx(0.28 / (0.28 + 0.18), abs=1e-4)


def test_fractions_follow_the_options():
    summary = summary_of(
        [SURE[0], SURE[2], SURE[3], FLAT], uncertain_below=0.5, out_of_focus_from=3
    )
    fractions = ("fraction_in_focus", "fraction_out_of_focus", "fraction_uncertain")
    assert [summary[name] for name in fractions] == [0.5, 0.25, 0.25]


def test_patches_outside_of_the_mask_are_ignored():
    summary = summary_of([SURE[9], SURE[1]], counted=[False, True])
    assert (summary["score"], summary["patches"]) == (1, 1)
    summary = summary_of([SURE[9]], counted=[False])
    assert np.isnan(summary["score"])
    assert summary["patches"] == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (83, 84), (200, 170)])
@pytest.mark.parametrize("stride, scale", [(84, 1), (30, 1), (84, 0.5), (50, 2.3)])
def test_boxes_cover_the_image(rng, shape, stride, scale):
    measurement = measure(rng.random(shape), options=FocusOptions(stride=stride, scale=scale))
    covered = np.zeros(shape, bool)
    for y, x, height, width in measurement.boxes.reshape(-1, 4):
        assert min(y, x) >= 0
        assert min(height, width) >= 1
        assert y + height <= shape[0]
        assert x + width <= shape[1]
        covered[y : y + height, x : x + width] = True
    assert covered.all()
    assert measurement.counted.all()
    np.testing.assert_allclose(measurement.probabilities.sum(axis=-1), 1, rtol=1e-5)


def test_patches_do_not_depend_on_their_neighbors(fly_images):
    image = fly_images["01_POS002_D.TIF"][:252, :252]
    whole = measure(image)
    alone = measure(image[84:168, 168:])
    np.testing.assert_allclose(alone.probabilities[0, 0], whole.probabilities[1, 2], atol=1e-5)


def test_smaller_batches_are_used_without_enough_memory(out_of_memory, rng):
    image = rng.random((3 * PATCH_SIZE, 7 * PATCH_SIZE))
    expected = measure(image).probabilities
    network, sizes = focus_model().batches.run(lambda network, size: network), []

    def short_of_memory(patches):
        sizes.append(len(patches))
        return out_of_memory() if len(patches) > 5 else network(patches)

    batches = BatchRunner("batches of {} patches", (10, 5), [short_of_memory])
    found = measure_focus(image, FocusModel("short", None, "numpy", batches))
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    assert sizes == [10, 5, 5, 5, 5, 1]


@pytest.mark.parametrize("value", [0, 0.1, 65535])
def test_a_constant_image_is_flat(value):
    measurement = measure(np.full((200, 200), value, dtype=np.float32))
    np.testing.assert_allclose(measurement.probabilities, 1 / 11)
    assert measurement.summary["fraction_uncertain"] == 1


OFFSETS = [
    *((np.float64, 1e6), (np.float64, -1e9), (np.uint32, 3 * 10**9)),
    *((np.int64, -(2**62)), (np.uint64, 2**63)),
]


@pytest.mark.parametrize("dtype, offset", OFFSETS)
def test_a_large_camera_offset_does_not_matter(fly_images, dtype, offset):
    image = fly_images["01_POS002_D.TIF"][:100, :100].astype(dtype)
    found = measure(image + dtype(offset)).probabilities
    np.testing.assert_allclose(found, measure(image).probabilities, atol=1e-5)


def test_pixels_outside_of_the_mask_do_not_matter(fly_images, rng):
    image = fly_images["01_POS002_D.TIF"][:400, :400]
    mask = np.zeros(image.shape, bool)
    mask[60:330, 100:] = True
    noise = rng.integers(0, 255, image.shape).astype(np.uint8)
    first = measure(np.where(mask, image, 0), mask)
    second = measure(np.where(mask, image, noise), mask)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    boxes = first.boxes.reshape(-1, 4)
    shares = np.array([mask[y : y + h, x : x + w].mean() for y, x, h, w in boxes])
    np.testing.assert_array_equal(first.counted.ravel(), shares >= 0.5)
    whole = shares.reshape(first.counted.shape) == 1
    np.testing.assert_allclose(first.probabilities[whole], measure(image).probabilities[whole])


def test_nan_and_infinity_are_outside_of_the_mask(fly_images):
    image = fly_images["01_POS002_D.TIF"][:200, :200].astype(np.float32)
    mask = np.ones(image.shape, bool)
    mask[:90] = False
    broken = image.copy()
    broken[:45], broken[45:90] = np.nan, np.inf
    expected, found = measure(image, mask), measure(broken)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    np.testing.assert_array_equal(found.counted, expected.counted)
    assert np.isnan(measure(np.full((90, 90), np.nan)).summary["score"])


def gray_alpha(image):
    return np.dstack([image, np.zeros_like(image)])


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda image: image * 1e-40, id="tiny floats"),
        pytest.param(lambda image: image * 1e300, id="huge floats"),
        pytest.param(lambda image: np.dstack([image] * 3), id="color"),
        pytest.param(gray_alpha, id="gray and alpha"),
        pytest.param(lambda image: image.astype(">u2"), id="big-endian integers"),
        pytest.param(lambda image: image.astype(">f8"), id="big-endian floats"),
        pytest.param(lambda image: image.astype("i2") - 3000, id="negative values"),
        pytest.param(lambda image: image.astype("u4") + 2**31, id="uint32 with an offset"),
        pytest.param(lambda image: image.astype("u8") * 2**50, id="large uint64"),
        pytest.param(lambda image: image.astype("i8") * 2**51 - 2**62, id="large int64"),
        pytest.param(lambda image: image.tolist(), id="lists"),
        pytest.param(np.ma.masked_array, id="nothing is masked"),
    ],
)
def test_all_real_dtypes_are_measured_alike(rng, convert):
    image = rng.integers(0, 4000, (PATCH_SIZE, 2 * PATCH_SIZE)).astype(np.uint16)
    expected = measure(image).probabilities
    np.testing.assert_allclose(measure(convert(image)).probabilities, expected, atol=1e-4)


def test_masked_pixels_are_outside_of_the_mask(rng):
    image = rng.integers(0, 255, (200, 200)).astype(np.uint8)
    first, second = rng.random((2, 200, 200)) < 0.3
    expected = measure(image, ~(first | second))
    found = measure(np.ma.masked_array(image, first), ~second)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    color = np.ma.masked_array(np.dstack([image] * 3))
    color[first, 1] = np.ma.masked
    found = measure(color, np.ma.masked_array(np.ones((200, 200)), second))
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
    assert not measure(np.ma.masked_all((90, 90))).counted.any()


@pytest.mark.parametrize("height, width", [(21, 21), (60, 83), (84, 20), (40, 200)])
def test_a_patch_that_the_image_does_not_fill_is_uncertain(rng, height, width):
    """The filled patch is measured as an image of its own, and mixed with the uniform one."""
    image = rng.random((height, width))
    missing = [(0, max(PATCH_SIZE - length, 0)) for length in (height, width)]
    filled = measure(np.pad(image, missing, mode="symmetric")).probabilities
    share = min(height / PATCH_SIZE, 1) * min(width / PATCH_SIZE, 1)
    found = measure(image)
    np.testing.assert_allclose(
        found.probabilities, share * filled + (1 - share) / 11, rtol=0, atol=1e-6
    )
    assert found.summary["certainty"] <= share


def test_a_nucleus_of_a_few_pixels_is_uncertain():
    scene = nuclei(np.random.default_rng(1), 215, 1.0)
    assert measure(scene).summary["certainty"] > 0.5
    assert measure(scene, options=FocusOptions(scale=0.1)).summary["certainty"] < 0.01


def test_nan_of_the_network_is_nan_and_a_warning(rng, caplog):
    def broken(patches):
        probabilities = np.full((len(patches), 11), 1 / 11, np.float32)
        probabilities[0] = np.nan
        return probabilities

    image = rng.random((90, 200))
    model = FocusModel("broken", None, "numpy", BatchRunner("batches of {}", (8,), [broken]))
    measurement = measure_focus(image, model)
    assert all(np.isnan(value) for name, value in measurement.summary.items() if name != "patches")
    assert all(np.isnan(values).all() for values in measurement.patch_table().values())
    assert "broken returned NaN, so the image is not measured" in caplog.text
    assert np.isfinite(annotate(image, measurement)).all()
    summary = summary_of([SURE[1], FLAT * np.nan])
    assert np.isnan(summary["score"])
    assert summary["patches"] == 2


def test_bad_input_is_refused(rng, tmp_path):
    with pytest.raises(UserError, match="neither gray nor color"):
        measure(rng.random((3, 100, 100, 100)))
    for empty in ((0, 90), (90, 0, 3)):
        with pytest.raises(UserError, match="has no pixels"):
            measure(np.zeros(empty))
    for dtype in (complex, object, str):
        with pytest.raises(UserError, match="does not hold real numbers"):
            measure(rng.random((90, 90)).astype(dtype))
    with pytest.raises(UserError, match="mask is of shape"):
        measure(rng.random((100, 100)), np.ones((50, 50), bool))
    with pytest.raises(UserError, match="does not exist"):
        load_model(tmp_path / "none.h5")


@pytest.mark.parametrize("wrong", [{"stride": 85}, {"scale": 0}, {"aggregation": "median"}])
def test_invalid_options_are_refused(wrong):
    with pytest.raises(UserError):
        FocusOptions(**wrong)
