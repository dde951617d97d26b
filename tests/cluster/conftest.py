import pytest
from plate import draw_plate, list_plate, write_pipeline_of_both


@pytest.fixture
def given(tmp_path):
    """Folder with images, a table of them for LoadData, and a pipeline that reads the table."""
    draw_plate(tmp_path / "images", wells=("B03",))
    list_plate(tmp_path / "images", tmp_path / "plate.csv")
    write_pipeline_of_both(tmp_path / "both.cppipe")
    return tmp_path
