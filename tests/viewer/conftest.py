"""A task of each family."""

import keras
import pytest

from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import BertClassifier, RNNAttention, Transformer

TOKENIZER = CharacterTokenizer("abc <>/sript=&\"'二")


@pytest.fixture(scope="session")
def transformer() -> Seq2Seq:
    keras.utils.set_random_seed(1)
    sizes = {"width": 12, "num_heads": 3, "feed_forward_width": 8, "max_length": 64}
    model = Transformer(
        TOKENIZER.vocab_size, **sizes, num_encoder_blocks=1, num_decoder_blocks=2
    )  # fmt: skip
    return Seq2Seq(model, TOKENIZER, max_target_length=8)


@pytest.fixture(scope="session")
def recurrent() -> Seq2Seq:
    keras.utils.set_random_seed(3)
    model = RNNAttention(TOKENIZER.vocab_size, width=8, attention="additive", max_length=16)
    return Seq2Seq(model, TOKENIZER, max_target_length=6)


@pytest.fixture(scope="session")
def encoder() -> Classify:
    keras.utils.set_random_seed(2)
    sizes = {"vocab_size": 8, "width": 8, "num_blocks": 2, "num_heads": 2, "max_length": 512}
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "a", "b", "##c"])
    return Classify(BertClassifier(2, sizes), tokenizer, ["x", "y"], fields=("a", "b", "label"))
