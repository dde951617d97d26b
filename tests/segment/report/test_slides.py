import math

import pytest

from segment.report.records import Candidate, ImageRecord
from segment.report.slides import ACCEPTED, REJECTED, key_of, summarize


def record(name, count, group="slide 3", cells=10):
    found = tuple(Candidate(n, 0.9, 5.0, 5.0, [[0, 0, 9, 0, 9, 9]]) for n in range(1, count + 1))
    return ImageRecord(name, "/data", group, f"{name}.jpg", 20, 20, None, cells, found)


def decide(records, decision):
    return {key_of(one, candidate): decision for one in records for candidate in one.candidates}


def test_images_and_objects_are_counted_by_group():
    records = [record(str(n), 2 if n < 17 else 0) for n in range(40)]
    records += [record("x", 1, "slide 1", cells=None)]
    first, third = summarize(records, {})
    assert [first.group, first.images, first.positive_images] == ["slide 1", 1, 1]
    assert math.isnan(first.per_1000_cells) and math.isnan(first.per_image_low)
    assert (third.images, third.positive_images, third.objects) == (40, 17, 34)
    assert (third.positive_low, third.positive_high) == pytest.approx((0.286, 0.578), abs=5e-3)
    assert third.per_image == 34 / 40
    assert third.per_image_low < third.per_image < third.per_image_high
    assert third.per_1000_cells == pytest.approx(85)
    sentence = "17 of 40 images of slide 3 show a spirochaete (29 to 58%)."
    assert third.sentence("spirochaete") == sentence


def test_rejected_objects_do_not_count():
    records = [record(str(n), 1) for n in range(40)]
    (none,) = summarize(records, decide(records, REJECTED))
    assert (none.positive_images, none.objects, none.rejected) == (0, 0, 40)
    assert none.sentence("spirochaete") == (
        "None of 40 images of slide 3 shows a spirochaete: at 95% confidence, fewer than 7.2% of "
        "such images do."
    )
    (some,) = summarize(records, {**decide(records, REJECTED), **decide(records[:3], ACCEPTED)})
    assert (some.positive_images, some.accepted, some.rejected) == (3, 3, 37)
