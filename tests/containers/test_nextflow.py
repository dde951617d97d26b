"""Groovy, the language of Nextflow, reads the module; Nextflow itself is not run."""

from chroot import PROCESS


def test_the_module_is_valid(read_process):
    result = read_process()
    assert result.returncode == 0, result.stderr
    assert "-p focus_qc.cppipe -i images -o measured" in result.stdout
    # The shell's, and not Groovy's.
    assert "$(cellprofiler --version)" in result.stdout


def test_a_mistake_is_found(read_process, tmp_path):
    path = tmp_path / "main.nf"
    path.write_text(PROCESS.read_text().replace("tuple val(meta), path", "tuple val(meta, path"))
    result = read_process(path)
    assert result.returncode != 0
    assert "main.nf" in result.stderr
