"""A small task with separate SentencePiece vocabularies, exported once for all tests."""

import random
import shutil

import keras
import pytest

from attention_zoo.export.export import export
from attention_zoo.export.formats import Format
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.zoo import Transformer

WORDS = "alpha beta gamma delta epsilon zeta eta theta 一 二 三 四 五 六"


@pytest.fixture(scope="session", autouse=True)
def untimed():
    """No artefact is timed, which takes a process of its own; `test_report.py` times some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Format, "timed", False)
        yield


@pytest.fixture(scope="session")
def examples():
    """Made-up sentences and translations of different lengths."""
    draw, words = random.Random(5), WORDS.split()
    return [
        (" ".join(draw.choices(words, k=1 + i % 7)), " ".join(draw.choices(words, k=1 + i % 5)))
        for i in range(40)
    ]


@pytest.fixture(scope="session")
def task(examples):
    """Random weights, large enough that answers differ from source to source."""
    keras.utils.set_random_seed(11)
    texts = [text for example in examples for text in example]
    source = SentencePieceTokenizer.train(texts, 60, "bpe")
    target = SentencePieceTokenizer.train(texts, 40, "unigram")
    model = Transformer(
        60,
        40,
        width=24,
        num_heads=3,
        feed_forward_width=40,
        num_encoder_blocks=1,
        num_decoder_blocks=2,
        share_embeddings=False,
        max_length=20,
        norm="pre",
    )
    for variable in model.trainable_variables:
        if "kernel" in variable.path or "table" in variable.path:
            variable.assign(variable * 2.0)
    made = Seq2Seq(
        model,
        source,
        target,
        beam_size=3,
        max_target_length=16,
        coverage_penalty=0.3,
        min_length=4,
        no_repeat_ngram=2,
    )
    made.metrics = ("chrf",)
    made.examples = examples[:12]
    return made


@pytest.fixture(scope="session")
def exported(task, tmp_path_factory):
    """The export directory and its report."""
    directory = tmp_path_factory.mktemp("export") / "out"
    return directory, export(task, directory, quantize=["none", "dynamic_int8"])


@pytest.fixture
def copy(exported, tmp_path):
    """A copy of the export that a test may spoil."""
    return shutil.copytree(exported[0], tmp_path / "copy")
