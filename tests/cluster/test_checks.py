from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

import cluster_workflow
from cluster_workflow.checks import check, check_settings
from micrograph_networks.errors import UserError

EXPORT = {"folder": "Default Output Folder|measured", "delimiter": ",", "image": True}


class Answer(NamedTuple):
    """A CellProfiler that has read a pipeline."""

    modules: tuple = ("Images",)
    exports: tuple = (EXPORT,)

    def ask(self, question, path):
        return self._asdict()


@pytest.fixture
def load_data(tmp_path):
    path = tmp_path / "plate.csv"
    path.write_text("FileName_Image\na.png\n")
    return path


def test_valid_input_passes(load_data):
    check(Answer(), "a.cppipe", images=load_data.parent)
    check(Answer(modules=("LoadData",)), "a.cppipe", load_data=load_data)


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("output: 0012", "output is 10, which is not text: write it in quotation marks"),
        ("images: 2024-01-01", "images is datetime.date.*, which is not text"),
        ("output:", "No output is given"),
        ("images_per_batch: 0", "images_per_batch is 0: give a whole number of 1 or more"),
        ("threads: many", "threads is 'many': give a whole number of 1 or more"),
        ("retries: 1.5", "retries is 1.5: give a whole number of 0 or more"),
    ],
)
def test_settings_of_another_type_are_refused(line, complaint):
    settings = yaml.safe_load((Path(cluster_workflow.__file__).parent / "config.yaml").read_text())
    check_settings(settings)
    with pytest.raises(UserError, match=complaint):
        check_settings({**settings, **yaml.safe_load(line)})


@pytest.mark.parametrize(
    "exports, complaint",
    [
        ([], "has no ExportToSpreadsheet module"),
        ([{**EXPORT, "folder": "Elsewhere...|/"}], "to Default Output Folder"),
        ([{**EXPORT, "delimiter": "\t"}], "set its delimiter to comma"),
        ([{**EXPORT, "image": False}], "does not export Image"),
    ],
)
def test_pipeline_without_tables_to_merge_is_refused(load_data, exports, complaint):
    with pytest.raises(UserError, match=f"a.cppipe.*{complaint}"):
        check(Answer(exports=exports), "a.cppipe", images=load_data.parent)


def test_pipeline_and_input_have_to_fit(load_data):
    with pytest.raises(UserError, match="a.cppipe has no LoadData module"):
        check(Answer(), "a.cppipe", load_data=load_data)
    with pytest.raises(UserError, match="a.cppipe has a LoadData module: give the CSV"):
        check(Answer(modules=("LoadData",)), "a.cppipe", images=load_data.parent)
    with pytest.raises(UserError, match="No pipeline is given"):
        check(Answer(), None, images=load_data.parent)
    with pytest.raises(UserError, match="Neither images nor load_data is given"):
        check(Answer(), "a.cppipe")


def test_wrong_paths_are_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist: check the path"):
        check(Answer(), "a.cppipe", images=tmp_path / "nowhere")
    with pytest.raises(UserError, match="is empty: check the path"):
        check(Answer(), "a.cppipe", images=tmp_path)
    with pytest.raises(UserError, match="nowhere.csv does not exist: check the path"):
        check(Answer(), "a.cppipe", load_data=tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("Well,Site\nB02,1\n", "neither a column FileName_NAME nor URL_NAME"),
        ("", "neither a column FileName_NAME nor URL_NAME"),
        ("FileName_Image,PathName_Image\n", "no row below its heading"),
    ],
)
def test_table_without_images_is_refused(load_data, text, complaint):
    load_data.write_text(text)
    with pytest.raises(UserError, match=f"plate.csv has {complaint}"):
        check(Answer(modules=("LoadData",)), "a.cppipe", load_data=load_data)
