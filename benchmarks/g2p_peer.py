"""Score the package g2p-en on the test words, with its weights in our model.

    pip install 'attention-zoo[recipes]'
    python benchmarks/g2p_peer.py [--data FILE] [--beam-size N]

Its phonemes have stress, which is taken off before they are compared. It was trained on the
dictionary as a whole, so it may know the test words; it takes the letters a to z only.
"""

import argparse
import importlib.util
from pathlib import Path

from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.readers import read_examples
from attention_zoo.text.word_tokenizer import WordTokenizer
from attention_zoo.train.metrics import compute_metrics
from attention_zoo.zoo.importers.g2p_en import LETTERS, PHONEMES, import_g2p_en

METRICS = ("word_error_rate", "phoneme_error_rate")


def main() -> None:
    """Print the metrics as `attention-zoo evaluate` does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(__file__).parents[1] / "recipes/g2p/data/test.tsv"
    parser.add_argument("--data", default=str(data))
    parser.add_argument("--beam-size", type=int, default=1)
    options = parser.parse_args()
    package = Path(importlib.util.find_spec("g2p_en").origin).parent
    model = import_g2p_en(package / "checkpoint20.npz")
    task = Seq2Seq(model, CharacterTokenizer(LETTERS), WordTokenizer(PHONEMES))
    words, references = zip(*read_examples(options.data, ["word", "phonemes"]), strict=True)
    spoken = task([word.replace("'", "") for word in words], beam_size=options.beam_size)
    answers = [" ".join(phone.rstrip("012") for phone in answer.split()) for answer in spoken]
    for name, value in compute_metrics(METRICS, words, answers, references).items():
        print(f"{name}\t{value:.2f}")


if __name__ == "__main__":
    main()
