from micrograph_networks.training.log import append_row, read_log, rewind


def test_rows_are_appended_and_forgotten(tmp_path):
    path = tmp_path / "training.csv"
    assert read_log(path) == []
    rows = [{"epoch": float(epoch), "loss": 1 / epoch} for epoch in (1, 2, 3)]
    for row in rows:
        append_row(path, row)
    assert read_log(path) == rows
    rewind(path, 2)
    assert read_log(path) == rows[:2]
    rewind(path, 0)
    assert read_log(path) == []
