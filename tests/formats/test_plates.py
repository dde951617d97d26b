"""OME-Zarr plates that the packages ome-zarr and ngio write."""

import numpy as np
import pytest

from micrograph_networks.images.planes import planes_of

ome_zarr = pytest.importorskip("ome_zarr")
ngio = pytest.importorskip("ngio")
zarr = pytest.importorskip("zarr")

WELLS = [("A", "1"), ("H", "12")]


def write_by_ome_zarr(path, images, version):
    from ome_zarr import format as formats
    from ome_zarr import writer

    chosen = formats.FormatV04() if version == "0.4" else formats.FormatV05()
    root = zarr.open_group(path, mode="w", zarr_format=chosen.zarr_format)
    wells = ["/".join(well) for well in WELLS]
    writer.write_plate_metadata(root, ["A", "H"], ["1", "12"], wells, fmt=chosen)
    for well, fields in zip(wells, images):
        group = root.require_group(well)
        writer.write_well_metadata(group, ["0", "1"], fmt=chosen)
        for number, image in enumerate(fields):
            target = group.require_group(str(number))
            writer.write_image(image, target, axes="czyx", fmt=chosen)


def write_by_ngio(path, images, version):
    plate = ngio.create_empty_plate(path, "plate", ngff_version=version)
    for (row, column), fields in zip(WELLS, images):
        for number, image in enumerate(fields):
            plate.add_image(row, column, str(number))
            ngio.create_ome_zarr_from_array(
                plate.get_image_store(row, column, str(number)),
                *(image, 0.65),
                axes_names="czyx",
                channels_meta=["DNA", "Actin", "Golgi"],
                ngff_version=version,
                overwrite=True,
            )


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("write", [write_by_ome_zarr, write_by_ngio])
def test_plate_is_read(tmp_path, rng, version, write):
    images = rng.integers(0, 255, (2, 2, 3, 2, 96, 128), dtype=np.uint8)
    path = tmp_path / "plate.zarr"
    write(path, images, version)
    planes = planes_of([path])
    assert [plane.stem for plane in planes] == [
        f"plate_{well}_field{field}_ch{channel}_z{z}"
        for well in ("A01", "H12")
        for field in range(2)
        for channel in range(3)
        for z in range(2)
    ]
    read = np.stack([plane.read() for plane in planes])
    np.testing.assert_array_equal(read, images.reshape(24, 96, 128))
    names = [plane.position.get("channel_name") for plane in planes[:6:2]]
    assert names in ([None] * 3, ["DNA", "Actin", "Golgi"])
