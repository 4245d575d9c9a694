"""Chromium, and tasks of each family."""

import tempfile
from collections.abc import Iterator

import keras
import pytest
from selenium import webdriver

from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import BertClassifier, RNNAttention, Transformer

TOKENIZER = CharacterTokenizer("abc <>/sript=&\"'二")
_OPTIONS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
    *("disable-background-networking", "disable-component-update"),
    "window-size=1300,1000",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """Headless Chromium, which must be installed: a test without it fails."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    with tempfile.TemporaryDirectory() as profile:
        for option in (*_OPTIONS, f"user-data-dir={profile}"):
            options.add_argument(f"--{option}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
        driver.set_script_timeout(120)
        yield driver
        driver.quit()


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
