"""Probabilities of a trained model, from which another one learns.

Hinton et al. 2015, Distilling the knowledge in a neural network.
"""

from dataclasses import replace
from pathlib import Path
from typing import List, Sequence

import numpy as np
from tqdm import tqdm

from micrograph_networks.files.writing import output_folder, whole_file
from micrograph_networks.images.image_files import read_image
from segment.annotations.dataset import Sample
from segment.inference.model import SegmentationModel
from segment.inference.prediction import mean_of_views
from segment.inference.scaling import resize


def taught(
    samples: Sequence[Sample], images: Path, teacher: SegmentationModel, folder: Path
) -> List[Sample]:
    """Give samples the probabilities that a model tells of their images.

    They are computed once and kept on the disk, from where crops are read.

    Parameters
    ----------
    samples : list of Sample
    images : Path
        Folder to which the names of the samples are relative.
    teacher : SegmentationModel
        Of the same classes.
    folder : Path
        Of the probabilities: of the same samples and teacher whenever it is given.

    Returns
    -------
    list of Sample
    """
    output_folder(folder)
    given = []
    for number, sample in enumerate(tqdm(samples, desc="Teacher", unit="image", disable=None)):
        path = folder / f"{number:05}.npy"
        if not path.exists():
            found = mean_of_views(read_image(images / sample.name), teacher)
            with whole_file(path) as temporary:
                np.save(temporary, resize(found, sample.mask.shape).astype(np.float16))
        given.append(replace(sample, taught=np.load(path, mmap_mode="r")))
    return given
