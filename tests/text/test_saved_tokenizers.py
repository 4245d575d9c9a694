"""Tokenizers in files, in graphs and in SavedModels."""

import gc
import json

import keras
import pytest
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.registry import load_tokenizer
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.word_tokenizer import WordTokenizer

TEXTS = ["the cat sat on the mat", "a cat and a dog sat", "the dog ran away from the cat"] * 3
TOKENIZERS = {
    "characters": CharacterTokenizer.train(TEXTS),
    "words": WordTokenizer.train(TEXTS),
    "unigram": SentencePieceTokenizer.train(TEXTS, vocab_size=24),
    "bpe": SentencePieceTokenizer.train(TEXTS, vocab_size=40, algorithm="bpe"),
}


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]


def encode(tokenizer, strings):
    return tokenizer.encode(tf.constant(strings), max_length=50).numpy().tolist()


def decode(tokenizer, ids):
    return [text.decode() for text in tokenizer.decode(tf.constant(ids, tf.int32)).numpy()]


def test_save_and_load(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "new" / "folder")
    loaded = load_tokenizer(tmp_path / "new" / "folder")
    assert type(loaded) is type(tokenizer)
    assert loaded.vocab_size == tokenizer.vocab_size
    texts = [*TEXTS, "caZt 你好", ""]
    assert encode(loaded, texts) == encode(tokenizer, texts)
    every_id = range(loaded.vocab_size)
    assert loaded.pieces(every_id) == tokenizer.pieces(every_id)


def test_what_is_saved(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    model = {
        "characters": "characters.json",
        "words": "words.json",
        "sentencepiece": "sentencepiece.model",
    }
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(["tokenizer.json", model[tokenizer.kind]])
    config = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    assert config == {"kind": tokenizer.kind, "vocab_size": tokenizer.vocab_size}


def test_saving_again_replaces(tmp_path):
    CharacterTokenizer("abc").save(tmp_path)
    CharacterTokenizer("xyz").save(tmp_path)
    assert load_tokenizer(tmp_path).characters == "xyz"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "{}", '{"kind": null}', '{"kind": 5}', '{"kind": ["a"]}']
)
def test_damaged_tokenizer_json(content, tmp_path):
    TOKENIZERS["characters"].save(tmp_path)
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_tokenizer_json_that_is_not_utf8(tmp_path):
    TOKENIZERS["characters"].save(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(b'{"kind": "\xff"}')
    with pytest.raises(UserError, match=r"tokenizer\.json is not a tokenizer"):
        load_tokenizer(tmp_path)


def test_unknown_kind(tmp_path):
    TOKENIZERS["characters"].save(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"kind": "sentencepiec"}')
    message = r"unknown tokenizer kind 'sentencepiec'; did you mean \"sentencepiece\"\?"
    with pytest.raises(UserError, match=message):
        load_tokenizer(tmp_path)


def test_no_tokenizer_there(tmp_path):
    with pytest.raises(UserError, match=r"none/tokenizer\.json is not a tokenizer"):
        load_tokenizer(tmp_path / "none")


def test_missing_model_file(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    (model,) = (path for path in tmp_path.iterdir() if path.name != "tokenizer.json")
    model.unlink()
    with pytest.raises(UserError, match=f"{tmp_path} contains a damaged tokenizer"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("content", ["", '"abc', "5", "null", "[1]", '{"a": 1}'])
def test_damaged_character_file(content, tmp_path):
    TOKENIZERS["characters"].save(tmp_path)
    (tmp_path / "characters.json").write_text(content)
    with pytest.raises(UserError, match="damaged tokenizer"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("kept", [0, 7, 100, -5])
def test_damaged_sentencepiece_file(kept, tmp_path):
    TOKENIZERS["unigram"].save(tmp_path)
    (tmp_path / "sentencepiece.model").write_bytes(TOKENIZERS["unigram"].model[:kept])
    with pytest.raises(UserError, match="damaged tokenizer"):
        load_tokenizer(tmp_path)


class InGraph(tf.Module):
    """A tokenizer as an export holds it."""

    def __init__(self, tokenizer):
        super().__init__()
        self.tokenizer = tokenizer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.int32)])
    def encode(self, strings, max_length):
        return self.tokenizer.encode(strings, max_length)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def decode(self, ids):
        return self.tokenizer.decode(ids)


def same_answers(module, tokenizer):
    texts = ["the cat sat", "", "caZt 你好"]
    for max_length in (4, 50):
        ids = tokenizer.encode(tf.constant(texts), max_length)
        in_graph = module.encode(tf.constant(texts), tf.constant(max_length))
        assert in_graph.numpy().tolist() == ids.numpy().tolist()
        assert module.decode(ids).numpy().tolist() == tokenizer.decode(ids).numpy().tolist()


def test_outlives_the_caches_of_tensorflow(tokenizer, tmp_path):
    module = InGraph(tokenizer)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    same_answers(module, tokenizer)
    for empty_caches in (lambda: keras.utils.set_random_seed(7), keras.utils.clear_session):
        empty_caches()
        assert decode(tokenizer, encode(tokenizer, ["the cat"])) == ["the cat"]
        same_answers(module, tokenizer)
        same_answers(loaded, tokenizer)


def test_two_tokenizers_of_one_model_are_independent(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    twin = load_tokenizer(tmp_path)
    ids = encode(twin, ["the cat"])
    del twin
    gc.collect()
    assert encode(tokenizer, ["the cat"]) == ids


def test_runs_in_a_graph(tokenizer):
    same_answers(InGraph(tokenizer), tokenizer)


def test_runs_in_a_saved_model(tokenizer, tmp_path):
    tf.saved_model.save(InGraph(tokenizer), str(tmp_path))
    same_answers(tf.saved_model.load(str(tmp_path)), tokenizer)
