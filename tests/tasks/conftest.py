"""A small vocabulary and small encoders for all tasks."""

import pytest

from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer

_WORDS = "alpha beta gamma delta al ##pha ##s ? , . who 你 好 ##好 é e"
PIECES = _WORDS.split()


@pytest.fixture(scope="session")
def tokenizer():
    return WordPieceTokenizer([*SPECIAL_PIECES, *PIECES])


@pytest.fixture(scope="session")
def encoder(tokenizer):
    """Arguments of a small `Bert`."""
    return {
        "vocab_size": tokenizer.vocab_size,
        "width": 24,
        "num_blocks": 2,
        "num_heads": 3,
        "max_length": 40,
    }
