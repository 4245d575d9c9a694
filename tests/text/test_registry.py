"""Kinds of tokenizers: ours, and those that users register."""

import inspect
import json
import subprocess
import sys

import pydantic
import pytest
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.text import registry, tokenizer_options
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.registry import (
    load_tokenizer,
    register_tokenizer,
    tokenizer_class,
    tokenizer_kinds,
    train_tokenizer,
)
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.tokenizer import Tokenizer
from attention_zoo.text.tokenizer_options import (
    CharacterOptions,
    SentencePieceOptions,
    options_class,
    options_union,
)
from attention_zoo.text.word_tokenizer import WordTokenizer
from attention_zoo.text.wordpiece_tokenizer import WordPieceTokenizer

# Come with the weights of a model, so no recipe can ask for them.
OF_MODELS = ("byte_pair", "pieces", "unigram")
OURS = {
    "characters": CharacterTokenizer,
    "sentencepiece": SentencePieceTokenizer,
    "wordpiece": WordPieceTokenizer,
    "words": WordTokenizer,
}


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_CLASSES", dict(registry._CLASSES))
    monkeypatch.setattr(tokenizer_options, "_OPTIONS", dict(tokenizer_options._OPTIONS))


def byte_tokenizer():
    """A class that a user might write."""

    class ByteTokenizer(Tokenizer):
        kind = "bytes"

        def __init__(self, size):
            super().__init__()
            self.vocab_size = size

        @classmethod
        def train(cls, texts, size: int = 260):
            return cls(size)

        def pieces(self, ids):
            return [chr(i - 4) for i in ids]

        def _tokenize(self, strings):
            ids = tf.strings.bytes_split(strings)
            return tf.ragged.map_flat_values(lambda b: tf.io.decode_raw(b, tf.uint8)[:, 0], ids) + 4

        def _detokenize(self, ids):
            letters = tf.constant([bytes([i]) for i in range(256)])
            return tf.strings.reduce_join(tf.gather(letters, ids - 4), axis=1)

        def _save(self, directory):
            (directory / "size.json").write_text(json.dumps(self.vocab_size))

        @classmethod
        def _load(cls, directory):
            return cls(json.loads((directory / "size.json").read_text()))

    return ByteTokenizer


def test_our_kinds():
    assert tokenizer_kinds() == sorted([*OURS, *OF_MODELS])
    assert {kind: tokenizer_class(kind) for kind in OURS} == OURS


@pytest.mark.parametrize("kind", OURS)
def test_the_options_of_ours_are_the_arguments_of_train(kind):
    cls = OURS[kind]
    assert cls.kind == kind
    assert cls.options is options_class(kind)
    _, *parameters = inspect.signature(cls.train).parameters.values()
    fields = {name: f.default for name, f in cls.options.model_fields.items() if name != "kind"}
    assert {parameter.name: parameter.default for parameter in parameters} == fields
    assert cls.options().kind == kind


def test_training_by_options():
    texts = ["the cat sat on the mat"] * 3
    made = train_tokenizer(SentencePieceOptions(vocab_size=20, algorithm="bpe"), texts)
    assert made.model == SentencePieceTokenizer.train(texts, 20, "bpe").model
    assert train_tokenizer(CharacterOptions(vocab_size=6), ["aab"]).characters == "ab"


def test_a_class_of_a_user(tmp_path):
    cls = byte_tokenizer()
    assert register_tokenizer(cls) is cls
    assert tokenizer_kinds() == sorted([*OURS, "bytes", *OF_MODELS])
    options = pydantic.TypeAdapter(options_union()).validate_python({"kind": "bytes", "size": 300})
    assert options == options_class("bytes")(size=300)
    tokenizer = train_tokenizer(options, ["a"])
    assert tokenizer.vocab_size == 300
    tokenizer.save(tmp_path)
    assert json.loads((tmp_path / "tokenizer.json").read_text()) == {
        "kind": "bytes",
        "vocab_size": 300,
    }
    loaded = load_tokenizer(tmp_path)
    ids = loaded.encode(tf.constant(["é!", ""]), max_length=9)
    assert ids.numpy().tolist() == [[0xC3 + 4, 0xA9 + 4, 0x21 + 4, 3], [3, 0, 0, 0]]
    assert [text.decode() for text in loaded.decode(ids).numpy()] == ["é!", ""]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "bytes", "sise": 300}, "Extra inputs are not permitted"),
        ({"kind": "bytes", "size": "many"}, "valid integer"),
        ({"kind": "characters", "algorithm": "bpe"}, "Extra inputs are not permitted"),
        ({"kind": "characters", "vocab_size": True}, "should be a number"),
        ({"kind": "characters", "vocab_size": 10_000_001}, "less than or equal to 10000000"),
        ({"kind": "byte"}, "'characters', 'sentencepiece', 'wordpiece', 'words', 'bytes'"),
    ],
)
def test_options_that_a_kind_does_not_have(given, message):
    register_tokenizer(byte_tokenizer())
    with pytest.raises(pydantic.ValidationError, match=message):
        pydantic.TypeAdapter(options_union()).validate_python(given)


def test_a_kind_that_nobody_registered(tmp_path):
    message = (
        r"unknown tokenizer kind 'word'; did you mean \"words\"\? Accepted: characters, "
        r"sentencepiece, wordpiece, words\. If a plugin registers it, name the plugin by "
        r"--plugin"
    )
    for look_up in (tokenizer_class, options_class):
        with pytest.raises(UserError, match=f"^{message}"):
            look_up("word")
    cls = byte_tokenizer()
    cls.kind = "word"
    cls(9).save(tmp_path)
    with pytest.raises(UserError, match=rf"tokenizer\.json: {message}"):
        load_tokenizer(tmp_path)


def test_registering_again():
    register_tokenizer(byte_tokenizer())
    again = register_tokenizer(byte_tokenizer())  # as when a module is reloaded
    assert tokenizer_class("bytes") is again

    class Other(CharacterTokenizer):
        kind = "bytes"

    with pytest.raises(UserError, match=r"'bytes' is already registered by .*ByteTokenizer"):
        register_tokenizer(Other)
    assert tokenizer_class("bytes") is again


def test_a_class_without_a_kind():
    class Nameless(Tokenizer):
        pass

    with pytest.raises(UserError, match=r"Nameless\.kind must be a name, received None"):
        register_tokenizer(Nameless)


def test_a_subclass_has_options_of_its_own():
    @register_tokenizer
    class Letters(CharacterTokenizer):
        kind = "letters"

        @classmethod
        def train(cls, texts, largest: int | None = None):
            return super().train(texts, largest)

    assert options_class("letters")().model_dump() == {"kind": "letters", "largest": None}
    assert train_tokenizer(options_class("letters")(largest=5), ["aab"]).characters == "a"
    assert options_class("characters") is CharacterOptions


def test_options_are_checked_without_tensorflow():
    code = "import sys, attention_zoo.text.tokenizer_options; print('tensorflow' in sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout == "False\n"
