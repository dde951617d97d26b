import numpy as np
import pytest

from focusqual.simulation import scenes
from focusqual.training import bank as banks
from focusqual.training.bank import DEPTHS, LIGHT, Bank, fill_bank, open_bank
from focusqual.training.sampling import altered_patches, sample, unaltered_slide
from micrograph_networks.errors import UserError

SOURCES = [[scenes.nuclei(np.random.default_rng(seed), 260, 1.0) for seed in range(2)]]


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return write_bank(tmp_path_factory.mktemp("bank of slides"), 3, SOURCES, seed=5, workers=2)


def write_bank(folder, slides, sources, seed, workers):
    bank = open_bank(folder, slides, sources, seed)
    fill_bank(bank, sources, seed, workers)
    return bank


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_bank_that_was_stopped_is_completed_with_the_same_files(bank, tmp_path):
    stopped = write_bank(tmp_path, 1, SOURCES, seed=5, workers=1)
    assert sorted(contents(tmp_path)) == ["altered_00000.bin", "light_00000.bin", "recipe.sha256"]
    whole = bank.path("light", 1).read_bytes()
    stopped.path("light", 1).write_bytes(whole[: len(whole) // 2])
    assert Bank(tmp_path, 2).missing() == [("light", 1), ("altered", 1)]
    write_bank(tmp_path, 3, SOURCES, seed=5, workers=2)
    assert contents(tmp_path) == contents(bank.folder)


def test_a_complete_bank_is_used_as_it_is(bank, monkeypatch):
    monkeypatch.setattr(banks, "processes", None)
    assert write_bank(bank.folder, 2, SOURCES, seed=5, workers=1) == Bank(bank.folder, 2)


@pytest.mark.parametrize("sources, seed", [(SOURCES, 6), ([SOURCES[0][:1]], 5)])
def test_a_bank_with_another_recipe_is_refused(bank, sources, seed):
    before = contents(bank.folder)
    with pytest.raises(UserError, match=r"recipe.sha256 is of a bank of other images"):
        write_bank(bank.folder, 3, sources, seed, workers=1)
    assert contents(bank.folder) == before


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "images.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="contains files that are not of a bank"):
        write_bank(tmp_path, 3, SOURCES, seed=5, workers=1)
    assert len(contents(tmp_path)) == 1


def test_the_light_of_a_bank_is_a_turned_crop_of_that_of_its_slide(bank, rng):
    slide = unaltered_slide(np.random.default_rng((5, 3, 0)), SOURCES)
    record = np.fromfile(bank.path("light", 0), LIGHT)[0]
    assert record["transmitted"] == slide.transmitted
    drawn = banks.BankedLight(record)
    assert drawn.resolution == pytest.approx(slide.resolution)
    crop = drawn.light(rng, 3.1)
    assert crop.shape == (168, 168)
    assert crop.dtype == np.float32
    whole = record["lights"][list(DEPTHS).index(3)].astype(np.float32)
    positions = [
        turned
        for corner in np.ndindex(17, 17)
        for turned in all_turns(whole[corner[0] :, corner[1] :][:168, :168])
    ]
    assert sum(np.array_equal(crop, turned) for turned in positions) == 1


def test_altered_patches_of_a_bank_are_turned_with_their_levels(bank, rng, monkeypatch):
    monkeypatch.setattr("focusqual.training.sampling.ALTERED", 1)
    written = [altered_patches(np.random.default_rng((5, 4, n)), SOURCES) for n in range(3)]
    seen = set()
    for _ in range(60):
        patches, levels = bank.draw(rng)
        (match,) = {
            (number, turn)
            for number, (whole, expected) in enumerate(written)
            for turn, turned in enumerate(all_turns(whole))
            if np.array_equal(patches, turned) and np.array_equal(levels, expected)
        }
        seen.add(match)
    assert {number for number, _ in seen} == {0, 1, 2}
    assert {turn for _, turn in seen} == set(range(8))


def all_turns(crops):
    for quarter in range(4):
        turned = np.rot90(crops, quarter, axes=(-2, -1))
        yield turned
        yield turned.swapaxes(-2, -1)


def test_patches_of_a_bank_vary_and_repeat_with_their_seed(bank):
    patches, levels = sample((1, 0), bank.draw, 4)
    again, _ = sample((1, 0), bank.draw, 4)
    other, _ = sample((2, 0), bank.draw, 4)
    assert patches.shape == (96, 84, 84)
    assert np.isfinite(patches).all()
    assert len(set(levels)) > 5
    np.testing.assert_array_equal(patches, again)
    assert (patches != other).any()
