from micrograph_networks.training.log import append_epoch, read_epochs, rewind


def test_epochs_are_appended_and_forgotten(tmp_path):
    path = tmp_path / "training.csv"
    assert read_epochs(path) == []
    epochs = [{"epoch": number, "loss": 1 / number} for number in (1, 2, 3)]
    for epoch in epochs:
        append_epoch(path, epoch)
    assert read_epochs(path) == epochs
    rewind(path, 2)
    assert read_epochs(path) == epochs[:2]
    rewind(path, 0)
    assert read_epochs(path) == []


def test_the_number_of_an_epoch_stays_a_whole_number(tmp_path):
    path = tmp_path / "training.csv"
    for number in (1, 2):
        append_epoch(path, {"epoch": number, "loss": 0.5})
    rewind(path, 2)
    assert path.read_text().split() == ["epoch,loss", "1,0.5", "2,0.5"]
