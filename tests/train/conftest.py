"""A tiny task and data that training can learn in seconds."""

import pytest

from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.zoo import RNNAttention, Transformer

FAMILIES = {
    "transformer": lambda size, **options: Transformer(
        size,
        width=16,
        num_heads=2,
        feed_forward_width=24,
        num_encoder_blocks=1,
        num_decoder_blocks=1,
        **options,
    ),
    "rnn": lambda size, **options: RNNAttention(size, width=16, **options),
}


@pytest.fixture
def pairs():
    """Words and their reversal, of different lengths."""
    letters = "abcdef"
    words = [
        "".join(letters[(i * k + k * k) % 6] for k in range(1, 2 + i % 5)) for i in range(1, 61)
    ]
    return [(word, word[::-1]) for word in dict.fromkeys(words)]


@pytest.fixture
def make_task():
    """A function that builds a small task; call it in a strategy's scope."""

    def make(dropout=0.0, seed=3, family="transformer"):
        import keras

        keras.utils.set_random_seed(seed)
        tokenizer = CharacterTokenizer("abcdef")
        model = FAMILIES[family](tokenizer.vocab_size, max_length=12, dropout=dropout)
        return Seq2Seq(model, tokenizer)

    return make
