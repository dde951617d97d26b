"""Test that CellProfiler 4 and 5 write the same numbers into the tables of example pipelines."""

import pytest
from harness import CELLPROFILER_5, ROOT, TABLES, assert_same_numbers, run_cellprofiler

PROGRAM_4 = ROOT / ".venv" / "bin" / "cellprofiler"


@pytest.mark.skipif(not CELLPROFILER_5, reason="is part of make test-next")
@pytest.mark.parametrize("name", TABLES)
def test_tables_are_the_same(name, example_images, tmp_path):
    pipeline = ROOT / "example_pipelines" / name
    run_cellprofiler(pipeline, example_images / name, tmp_path / "four", [PROGRAM_4])
    run_cellprofiler(pipeline, example_images / name, tmp_path / "five")
    assert_same_numbers(tmp_path / "five", tmp_path / "four", TABLES[name], 1e-3)
