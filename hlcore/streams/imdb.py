"""IMDb reviews as sequences of GloVe vectors: the paper's text data, for users with a network or the files."""

import re
import tarfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from ..errors import HLError, bad, whole
from .datasets import Sequences

REVIEWS = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"  # Maas et al. 2011, 80 MB
VECTORS = "https://nlp.stanford.edu/data/glove.6B.zip"  # Pennington et al. 2014, public domain (PDDL), 820 MB
TOKENS = re.compile(r"[a-z]+|[!?]")


def imdb(reviews: int = 100, seed: int = 0, folder: Path | None = None, longest: int = 200) -> Sequences:
    """`reviews` reviews, half of them good, as GloVe-50 sequences of at most `longest` known words (P, App. E).

    folder  where aclImdb/ and glove.6B.50d.txt lie, or will lie; None: a cache folder of the user
    Raises HLError when the files are neither there nor to be had.
    """
    folder = folder or Path.home() / ".cache" / "hlcore"
    if whole("reviews", reviews, 2) % 2:
        raise bad("reviews", reviews, "an even number, half good, half bad")
    texts, classes = _reviews(folder, reviews // 2)
    vectors = _vectors(folder, {word for text in texts for word in text})
    sequences = [[vectors[word] for word in text if word in vectors][:longest] for text in texts]
    if not all(sequences):
        raise HLError("imdb: got a review without a known word, expected GloVe's 400,000 words; is the file cut short?")
    return Sequences([torch.stack(words) for words in sequences], classes, seed)


def _reviews(folder: Path, each: int) -> tuple[list[list[str]], list[int]]:
    place = folder / "aclImdb" / "train"
    if not place.is_dir():
        archive = _download(REVIEWS, folder)
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
    texts, classes = [], []
    for label, name in enumerate(("neg", "pos")):
        files = sorted((place / name).glob("*.txt"))[:each]
        if len(files) < each:
            raise bad(f"imdb {name}", f"{len(files)} reviews in {place / name}", f"at least {each}")
        texts += [TOKENS.findall(file.read_text(encoding="utf-8").lower()) for file in files]
        classes += [label] * each
    return texts, classes


def _vectors(folder: Path, words: set[str]) -> dict[str, Tensor]:
    place = folder / "glove.6B.50d.txt"
    if not place.exists():
        with zipfile.ZipFile(_download(VECTORS, folder)) as file:
            file.extract(place.name, folder)
    vectors = {}
    with place.open(encoding="utf-8") as lines:
        for line in lines:
            word, *numbers = line.split()
            if word in words:
                vectors[word] = torch.tensor([float(x) for x in numbers], dtype=torch.get_default_dtype())
    return vectors


def _download(address: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / address.rsplit("/", 1)[1]
    if not path.exists():
        part = path.with_name(path.name + ".part")
        try:
            urllib.request.urlretrieve(address, part)
        except (urllib.error.URLError, OSError) as error:
            mend = "JapaneseVowels stands in for it: vowels-rnn, vowels-lstm"
            raise bad("imdb", f"no network ({error})", f"{address} or its content in {folder}", mend) from None
        part.replace(path)
    return path
