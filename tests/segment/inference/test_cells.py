import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import regionprops

from micrograph_networks.images.image_files import read_image
from segment.inference import cells, label_images
from segment.inference.options import SegmentationOptions


def disk(shape, y, x, radius):
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return (rows - y) ** 2 + (cols - x) ** 2 <= radius**2


def disks(shape, places):
    return np.any([disk(shape, *place) for place in places], axis=0)


def spiky(shape, y, x, radius, spikes):
    """A crenated cell: its radius varies by a tenth."""
    rows, cols = np.indices(shape)
    angle = np.arctan2(rows - y, cols - x)
    return np.hypot(rows - y, cols - x) <= radius * (1 + 0.1 * np.cos(spikes * angle))


def label_cells(region, **options):
    return cells.label_cells(region, SegmentationOptions(**options))


@pytest.mark.parametrize("scale", [1, 4])
@pytest.mark.parametrize(
    "places",
    [
        [(40, 20, 10), (40, 39, 10)],
        [(40, 20, 10), (40, 37, 10)],
        [(40, 20, 10), (40, 34, 6)],
        [(40, 12, 8), (45, 26, 8), (40, 40, 8), (45, 54, 8)],
        [(20, 20, 9), (38, 20, 9), (38, 38, 9), (20, 38, 9)],
        [(0, 20, 9), (0, 36, 9)],
    ],
)
def test_touching_cells_are_separated_at_every_size(places, scale):
    places = [(y * scale, x * scale, radius * scale) for y, x, radius in places]
    shape = (70 * scale, 70 * scale)
    labels = label_cells(disks(shape, places))
    assert labels.max() == len(places)
    for y, x, radius in places:
        cell = disk(shape, y, x, radius)
        own = labels[y, x]
        assert np.mean(labels[cell] == own) > 0.9
        assert np.mean(cell[labels == own]) > 0.88


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("pixels", [4_000_000, 5000])
def test_touching_cells_that_the_image_cuts_off_are_separated(monkeypatch, turns, pixels):
    region = np.rot90(disks((300, 200), [(150, 47, 42), (185, 0, 32)]), turns)
    monkeypatch.setattr(label_images, "PIXELS_AT_ONCE", pixels)
    labels = label_cells(region)
    assert labels.max() == 2
    np.testing.assert_array_equal(labels > 0, region)
    sizes = sorted(label_images.areas(labels))
    assert sizes[0] == pytest.approx(disk((300, 200), 185, 0, 32).sum(), rel=0.25)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("radius", [3, 18])
def test_a_ring_that_the_image_cuts_through_is_filled(turns, radius):
    whole = disk((80, 120), 5, 60, 30)
    ring = whole & ~disk(whole.shape, 0, 60, radius)
    np.testing.assert_array_equal(label_cells(np.rot90(ring, turns)), np.rot90(whole, turns))


def test_the_gap_between_cells_at_the_border_stays():
    region = disks((80, 160), [(0, 40, 22), (0, 120, 22), (36, 80, 34)])
    labels = label_cells(region)
    assert labels.max() == 3
    np.testing.assert_array_equal(labels > 0, region)


def test_touching_cells_stay_one_object_if_asked():
    region = disks((60, 60), [(30, 20, 10), (30, 38, 10)])
    np.testing.assert_array_equal(label_cells(region, separate_touching=False), region)


@pytest.mark.parametrize("spikes", [5, 8, 12, 20])
@pytest.mark.parametrize("radius", [8, 20, 60])
def test_a_spiky_cell_is_one(spikes, radius):
    size = 3 * radius
    labels = label_cells(spiky((size, size), size / 2, size / 2, radius, spikes), minimum_area=0)
    assert labels.max() == 1


@pytest.mark.parametrize("ratio, center", [(1.3, 80), (1.8, 80), (2.5, 80), (1, -10), (1, 10)])
def test_an_oval_cell_and_one_that_the_image_cuts_off_are_one(ratio, center):
    rows, cols = np.indices((80, 160))
    oval = ((rows - 40) / 25) ** 2 + ((cols - center) / (25 * ratio)) ** 2 <= 1
    assert label_cells(oval).max() == 1


def test_spiky_cells_in_a_chain_are_separated():
    centers = [30, 74, 118, 162]
    region = np.any([spiky((100, 200), 50, x, 22, 9) for x in centers], axis=0)
    labels = label_cells(region)
    assert labels.max() == 4
    assert len(set(labels[50, centers])) == 4


def test_rings_are_filled_but_not_the_gap_between_cells():
    ring = disk((60, 60), 30, 30, 20) & ~disk((60, 60), 30, 30, 14)
    np.testing.assert_array_equal(label_cells(ring), disk((60, 60), 30, 30, 20))
    assert label_cells(ring, fill_holes=False)[30, 30] == 0
    places = [(30, 30, 20), (30, 69, 20), (69, 69, 20), (69, 30, 20)]
    four = disks((100, 100), places) & ~disk((100, 100), 30, 30, 14)
    labels = label_cells(four)
    assert labels[49, 49] == 0
    assert labels[30, 30] > 0
    assert labels.max() == 4


def test_ragged_holes_are_filled_if_they_are_small_or_in_a_single_cell():
    cell = disk((60, 60), 30, 30, 20)
    crescent = disk((60, 60), 30, 30, 12) & ~disk((60, 60), 30, 34, 11)
    np.testing.assert_array_equal(label_cells(cell & ~crescent), cell)
    whole = disks((100, 100), [(30, 30, 20), (30, 69, 20)])
    scratches = np.zeros_like(whole)
    scratches[28:32, 24] = scratches[28, 24:28] = True
    scratches[26:30, 75] = scratches[29, 72:76] = True
    labels = label_cells(whole & ~scratches)
    np.testing.assert_array_equal(labels > 0, whole)
    assert labels.max() == 2


def test_a_field_full_of_touching_cells_keeps_its_gaps():
    rows = range(10, 200, 20)
    field = disks((200, 200), [(y, x, 10.2) for y in rows for x in rows])
    labels = label_cells(field)
    assert labels.max() == 100
    np.testing.assert_array_equal(labels > 0, field)


@pytest.mark.parametrize("width", [3, 5, 7])
@pytest.mark.parametrize("slope, row", [(0.0, 40), (0.0, 50), (0.3, 30)])
def test_a_filament_that_crosses_cells_does_not_split_them(width, slope, row):
    shape = (90, 160)
    rows, cols = np.indices(shape)
    filament = np.abs(rows - row - slope * (cols - 40)) <= width / 2
    region = disks(shape, [(40, 40, 25), (45, 110, 22)]) & ~filament
    assert label_cells(region).max() == 4
    united = cells.with_crossings(region, filament)
    np.testing.assert_array_equal(united & ~filament, region)
    labels = label_cells(united)
    assert labels.max() == 2
    assert labels[40, 20] == labels[25, 40] == labels[58, 40]


@pytest.mark.parametrize("width", [3, 5, 7])
@pytest.mark.parametrize("radius", [10, 25])
def test_cells_on_both_sides_of_a_filament_are_two(width, radius):
    shape = (130, 100)
    filament = np.zeros(shape, bool)
    filament[64 - width // 2 : 65 + width // 2] = True
    for away in (radius - 2, radius + width // 2):
        region = disks(shape, [(64 - away, 50, radius), (64 + away, 50, radius)]) & ~filament
        assert label_cells(cells.with_crossings(region, filament)).max() == 2


def test_a_filament_that_ends_between_touching_cells_does_not_make_them_one():
    region = disks((60, 100), [(30, 30, 20), (30, 66, 20)])
    filament = np.zeros_like(region)
    filament[:, 47:50] = True
    filament &= ~region
    np.testing.assert_array_equal(cells.with_crossings(region, filament), region)


def test_cells_of_a_large_clump_are_found_in_fewer_pixels_and_labeled_in_all(monkeypatch):
    places = [(40, 40, 30), (40, 99, 30), (99, 99, 30)]
    whole = disks((140, 140), places)
    region = whole & ~disk((140, 140), 40, 99, 15)
    monkeypatch.setattr(label_images, "PIXELS_AT_ONCE", 4000)
    labels = label_cells(region)
    assert labels.max() == 3
    np.testing.assert_array_equal(labels > 0, whole)
    assert len({labels[y, x] for y, x, _ in places}) == 3


def test_small_cells_are_discarded_and_the_others_numbered_from_top_to_bottom():
    region = disks((80, 80), [(60, 15, 9), (12, 30, 9), (40, 60, 9), (30, 10, 3)])
    labels = label_cells(region)
    assert labels.dtype == np.int32
    assert [labels[12, 30], labels[40, 60], labels[60, 15], labels.max()] == [1, 2, 3, 3]
    assert label_cells(region, minimum_area=28).max() == 4


def test_an_empty_image_has_no_cell_and_a_full_one_has_one():
    assert label_cells(np.zeros((30, 40), bool)).max() == 0
    np.testing.assert_array_equal(label_cells(np.ones((30, 40), bool)), np.ones((30, 40)))


def test_round_cells_of_real_masks_stay_one_and_clumps_are_separated(data_folder):
    single = touching = 0
    for number in ("001", "272", "307", "350"):
        mask = read_image(data_folder / "darkfield" / "masks" / f"{number}.png") == 1
        for clump in regionprops(ndimage.label(mask)[0]):
            if clump.area >= 400:
                count = label_cells(clump.image).max()
                if clump.solidity > 0.96:
                    single += 1
                    assert count == 1
                elif clump.solidity < 0.9:
                    touching += count >= 2
    assert single > 50
    assert touching > 30
