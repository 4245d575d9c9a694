"""Exports whose pages are served, on loopback."""

import contextlib

import keras
import pytest
from reference.web import served

import attention_zoo as az
from attention_zoo.playground.site import write_playground
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.vocabulary import UNKNOWN_ID
from attention_zoo.text.wordpiece_tokenizer import WordPieceTokenizer, read_vocabulary

FORMATS = ["litert_static", "litert_stream"]


@pytest.fixture(scope="session")
def spelling():
    """The recurrent model that spells words in phonemes, with rules that its client has to keep."""
    task = az.load("g2p_rnn")
    task.min_length, task.no_repeat_ngram = 6, 2
    return task


@pytest.fixture(scope="session")
def spelling_export(spelling, tmp_path_factory):
    """Its export."""
    out = tmp_path_factory.mktemp("spelling") / "export"
    az.export(spelling, out, formats=FORMATS, examples=[("cat", "K AE T"), ("dog", "D AO G")])
    return out


def small_transformer(tokenizer):
    """Untrained; it says that it does not know a token now and then."""
    keras.utils.set_random_seed(4)
    model = az.Transformer.from_preset(
        "transformer_tiny",
        source_vocab_size=tokenizer.vocab_size,
        width=16,
        num_heads=2,
        feed_forward_width=16,
        num_encoder_blocks=1,
        num_decoder_blocks=1,
        max_length=16,
        tie_output=False,
        output_bias=True,
    )
    bias = model.output_projection.bias.numpy()
    bias[UNKNOWN_ID] = 1.0
    model.output_projection.bias.assign(bias)
    return model


@pytest.fixture(scope="session")
def subwords():
    """A Transformer with SentencePiece."""
    texts = ["the cat sat on the mat", "a dog and a cat", "二只猫在这里", "一只狗。"] * 5
    tokenizer = SentencePieceTokenizer.train(texts, 28)
    task = az.Seq2Seq(small_transformer(tokenizer), tokenizer, beam_size=2)
    task.metrics, task.examples = ("chrf",), [("the cat", "二只猫"), ("a dog", "一只狗。")]
    return task


@pytest.fixture(scope="session")
def copying():
    """A Transformer that searches with a beam and replaces unknown characters."""
    tokenizer = CharacterTokenizer("abcdefgh二😀")
    task = az.Seq2Seq(small_transformer(tokenizer), tokenizer, beam_size=3, replace_unknown=True)
    task.metrics, task.examples = ("chrf",), [("abc", "cba"), ("二", "a")]
    return task


@pytest.fixture(scope="session")
def labelling(minilm):
    """An untrained classifier of pairs, with the real vocabulary of BERT."""
    keras.utils.set_random_seed(5)
    tokenizer = WordPieceTokenizer(read_vocabulary(minilm / "vocab.txt"))
    sizes = {"vocab_size": tokenizer.vocab_size, "width": 16, "num_blocks": 1, "num_heads": 2}
    model = az.BertClassifier(3, {**sizes, "max_length": 32})
    task = Classify(model, tokenizer, ["red", "green", "二"], fields=("a", "b", "label"))
    task.examples = [("a cat", "a dog", "red"), ("what", "who", "green")]
    return task


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A function that exports a task, builds its page and gives the address."""
    with contextlib.ExitStack() as stack:

        def build(task, formats=FORMATS, export=None):
            folder = tmp_path_factory.mktemp("site")
            if export is None:
                export = folder / "export"
                az.export(task, export, formats=formats)
            return stack.enter_context(served(write_playground(export, folder / "site")))

        yield build
