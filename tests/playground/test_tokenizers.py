"""The tokenizers in JavaScript give the ids that Python's give, on more than 10,000 lines."""

import random
import shutil
from importlib import resources

import pytest
import tensorflow as tf
from reference.hard_lines import hard_lines
from reference.web import served

from attention_zoo.errors import UserError
from attention_zoo.playground.tokenizers import describe_tokenizer
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.encoder_tokenizer import AddedToken
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.word_tokenizer import WordTokenizer
from attention_zoo.text.wordpiece_tokenizer import WordPieceTokenizer, read_vocabulary

_CALL = """
const [description, method, rows, done] = arguments;
import("/tokenizers.js").then(({makeTokenizer}) => {
  const tokenizer = makeTokenizer(description);
  done(rows.map(row => tokenizer[method](...row)));
}).catch(error => done(String(error.stack)));
"""


@pytest.fixture(scope="module")
def lines():
    return [*hard_lines(), "a\x0bb\x0cc\x1cd", "[SEP]", "x [MASK] y", "a  [SEP][SEP]", "[mask]"]


@pytest.fixture(scope="module")
def javascript(browser, tmp_path_factory):
    """A function that calls a tokenizer's method for each row of arguments, in the browser."""
    folder = tmp_path_factory.mktemp("page")
    page = resources.files("attention_zoo.playground") / "page"
    shutil.copy(str(page / "tokenizers.js"), folder)
    (folder / "index.html").write_text("<!doctype html>", encoding="utf-8")
    with served(folder) as address:
        browser.get(address)

        def call(tokenizer, method, rows):
            found = browser.execute_async_script(_CALL, describe_tokenizer(tokenizer), method, rows)
            assert isinstance(found, list), found
            return found

        yield call


def tokenizers(lines, minilm):
    vocabulary = read_vocabulary(minilm / "vocab.txt")
    special = [AddedToken(p, vocabulary.index(p)) for p in ("[SEP]", "[CLS]", "[PAD]", "[UNK]")]
    mask = AddedToken("[MASK]", vocabulary.index("[MASK]"), lstrip=True)
    return {
        "characters": CharacterTokenizer.train(lines, 2000),
        "words": WordTokenizer.train(lines[::2], 5000),
        "unigram": SentencePieceTokenizer.train(lines[::3], 7000),
        "few pieces": SentencePieceTokenizer.train(["the cat sat", "a cat is here"] * 9, 16),
        "uncased": WordPieceTokenizer(vocabulary),
        "cased": WordPieceTokenizer(vocabulary, lower_case=False),
        "accents": WordPieceTokenizer(vocabulary, lower_case=True, strip_accents=False),
        "added": WordPieceTokenizer(vocabulary, added=[*special, mask]),
    }


@pytest.mark.parametrize(
    "name",
    [
        "characters",
        "words",
        "unigram",
        "few pieces",
        "uncased",
        "cased",
        "accents",
        "added",
    ],
)
def test_ids(name, lines, minilm, javascript):
    tokenizer = tokenizers(lines, minilm)[name]
    expected = [row.tolist() for row in tokenizer.rows(lines)]
    found = javascript(tokenizer, "tokenize", [[line] for line in lines])
    different = [line for line, a, b in zip(lines, found, expected, strict=True) if a != b]
    assert different == []


def test_rows_and_strings(lines, minilm, javascript):
    draw = random.Random(1)
    tokenizer = tokenizers(lines, minilm)["characters"]
    chosen = draw.sample(lines, 300)
    rows = tokenizer.encode(tf.constant(chosen), 20).numpy().tolist()
    for found, expected in zip(
        javascript(tokenizer, "encode", [[line, 20] for line in chosen]), rows, strict=True
    ):
        assert found["ids"] + [0] * (len(expected) - len(found["ids"])) == expected
    ids = [[draw.randrange(0, tokenizer.vocab_size + 3) for _ in range(12)] for _ in range(300)]
    for kind in ("characters", "words", "unigram"):
        tokenizer = tokenizers(lines, minilm)[kind]
        strings = [s.decode() for s in tokenizer.decode(tf.constant(ids)).numpy()]
        assert javascript(tokenizer, "decode", [[row] for row in ids]) == strings


def test_pairs(lines, minilm, javascript):
    draw = random.Random(2)
    tokenizer = tokenizers(lines, minilm)["uncased"]
    pairs = [(draw.choice(lines), draw.choice(lines)) for _ in range(300)]
    first, second = (tf.constant(column) for column in zip(*pairs, strict=True))
    ids, segments = (t.numpy() for t in tokenizer.encode_with_segments(first, 24, second))
    found = javascript(tokenizer, "encode", [[a, 24, b] for a, b in pairs])
    for i, row in enumerate(found):
        length = len(row["ids"])
        assert row["ids"] == ids[i, :length].tolist()
        assert not ids[i, length:].any()
        assert row["segments"] == segments[i, :length].tolist()


def test_what_it_lacks():
    tokenizer = SentencePieceTokenizer.train(["ab cd", "cd ef"] * 5, 20, "bpe")
    with pytest.raises(UserError, match="no tokenizer of the kind 'sentencepiece', only char"):
        describe_tokenizer(tokenizer)
