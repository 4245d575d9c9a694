import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_zoo.errors import UserError
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.vocabulary import END_ID, PAD_ID, START_ID, UNKNOWN_ID
from attention_zoo.text.word_tokenizer import WordTokenizer

TEXTS = [
    "the cat sat on the mat",
    "a cat and a dog sat",
    "the dog ran to the mat and the cat ran away",
] * 3
ALPHABET = "".join(sorted(set("".join(TEXTS))))  # 14 letters and the space
TOKENIZERS = {
    "characters": CharacterTokenizer.train(TEXTS),
    "words": WordTokenizer.train(TEXTS),
    "unigram": SentencePieceTokenizer.train(TEXTS, vocab_size=26),
    "bpe": SentencePieceTokenizer.train(TEXTS, vocab_size=40, algorithm="bpe"),
}
quickly = settings(max_examples=50, deadline=None, derandomize=True)


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]


def encode(tokenizer, strings, max_length=100_000):
    return tokenizer.encode(tf.constant(strings, tf.string), max_length).numpy().tolist()


def decode(tokenizer, ids):
    return [text.decode() for text in tokenizer.decode(tf.constant(ids, tf.int32)).numpy()]


def reference(tokenizer):
    """The other runtime of SentencePiece models, made by their authors."""
    return sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)


def test_the_ids_of_the_vocabulary():
    assert (PAD_ID, UNKNOWN_ID, START_ID, END_ID) == (0, 1, 2, 3)


def test_the_first_four_ids_are_special(tokenizer):
    assert tokenizer.pieces([0, 1, 2, 3]) == ["<pad>", "<unk>", "<s>", "</s>"]
    assert len(set(tokenizer.pieces(range(tokenizer.vocab_size)))) == tokenizer.vocab_size


def test_sizes_of_the_vocabularies():
    sizes = {kind: tokenizer.vocab_size for kind, tokenizer in TOKENIZERS.items()}
    assert sizes == {"characters": 19, "words": 15, "unigram": 26, "bpe": 40}


def test_tokens_have_neither_start_nor_end(tokenizer):
    ids = tokenizer.tokenize(tf.constant(["the cat", ""]))
    assert ids.dtype == tf.int32
    assert min(ids[0].numpy()) >= 4
    assert ids[1].numpy().tolist() == []


def test_rows_end_in_3_and_are_padded_with_0(tokenizer):
    short, long = tokenizer.tokenize(tf.constant(["cat", "the cat sat"])).to_list()
    padding = [0] * (len(long) - len(short))
    assert padding
    ids = tokenizer.encode(tf.constant(["cat", "the cat sat"]), max_length=50)
    assert ids.dtype == tf.int32
    assert ids.numpy().tolist() == [[*short, 3, *padding], [*long, 3]]


def test_truncation_keeps_the_end_id(tokenizer):
    (ids,) = encode(tokenizer, ["the cat sat"])
    assert encode(tokenizer, ["the cat sat"], len(ids)) == [ids]
    for max_length in range(1, len(ids)):
        assert encode(tokenizer, ["the cat sat"], max_length) == [[*ids[: max_length - 1], 3]]


def test_many_strings_are_cut_some_at_a_time(tokenizer, monkeypatch):
    texts = [*TEXTS, "", "a cat"]
    expected = tokenizer.tokenize(tf.constant(texts)).to_list()
    monkeypatch.setattr("attention_zoo.text.tokenizer.CHUNK", 3)
    assert [row.tolist() for row in tokenizer.rows(texts)] == expected
    assert tokenizer.rows([]) == []


def test_the_empty_string(tokenizer):
    assert encode(tokenizer, [""]) == [[3]]
    assert encode(tokenizer, ["", ""], max_length=1) == [[3], [3]]
    assert decode(tokenizer, [[3]]) == [""]


def test_an_empty_batch(tokenizer):
    assert tokenizer.encode(tf.constant([], tf.string), 5).shape[0] == 0
    assert tokenizer.decode(tf.zeros([0, 5], tf.int32)).shape == [0]
    assert decode(tokenizer, tf.zeros([2, 0], tf.int32)) == ["", ""]


def test_decoding_stops_at_the_first_end(tokenizer):
    (ids,) = encode(tokenizer, ["the cat"])
    assert decode(tokenizer, [[*ids, *ids], [3] * len(ids) + ids]) == ["the cat", ""]


def test_decoding_passes_over_what_is_no_token(tokenizer):
    (ids,) = encode(tokenizer, ["the cat"])
    size = tokenizer.vocab_size
    noise = [0, 2, -1, -(2**31), size, size + 1, 2**31 - 1]
    assert decode(tokenizer, [[*noise, *(n for id in ids for n in (id, *noise))]]) == ["the cat"]
    assert decode(tokenizer, [noise]) == [""]


@quickly
@given(ids=st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(-1, 45), min_size=1))
def test_decoding_takes_any_numbers(ids):
    for tokenizer in TOKENIZERS.values():
        before = ids[: ids.index(3)] if 3 in ids else ids
        known = [id for id in before if id == 1 or 4 <= id < tokenizer.vocab_size]
        assert decode(tokenizer, [ids]) == decode(tokenizer, [known])


def test_unknown_characters_are_id_1(tokenizer):
    (ids,) = encode(tokenizer, ["caZt"])
    assert ids.count(1) == 1
    # U+FFFD, or SentencePiece's own sign.
    expected = "\ufffd" if tokenizer.kind == "words" else "ca\ufffdt"
    assert decode(tokenizer, [ids])[0].replace(" \u2047 ", "\ufffd") == expected


@quickly
@given(text=st.text(ALPHABET))
def test_characters_come_back_as_they_were(text):
    tokenizer = TOKENIZERS["characters"]
    (ids,) = encode(tokenizer, [text])
    assert ids == [ALPHABET.index(character) + 4 for character in text] + [3]
    assert decode(tokenizer, [ids]) == [text]


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@quickly
@given(text=st.text(ALPHABET))
def test_sentencepiece_gives_back_the_words(kind, text):
    # Spaces at the ends and several in a row are normalised away, nothing else.
    ids = encode(TOKENIZERS[kind], [text])
    assert 1 not in ids[0]
    assert decode(TOKENIZERS[kind], ids) == [" ".join(text.split())]


@quickly
@given(text=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(ALPHABET)))
def test_characters_of_any_text(text):
    ids = [ALPHABET.index(character) + 4 if character in ALPHABET else 1 for character in text]
    assert encode(TOKENIZERS["characters"], [text]) == [[*ids, 3]]


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@quickly
@given(text=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(ALPHABET)))
def test_sentencepiece_agrees_with_its_authors_on_any_text(kind, text):
    tokenizer = TOKENIZERS[kind]
    expected = reference(tokenizer).encode(text)
    assert encode(tokenizer, [text]) == [[*expected, 3]]
    assert decode(tokenizer, [expected]) == [reference(tokenizer).decode(expected)]


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_sentencepiece_agrees_with_its_authors_on_awkward_texts(kind):
    texts = [
        "<s> cat </s>",
        "<unk><pad>",
        "\u2581the",
        "ｃａｔ　ｓａｔ",
        "①cat",
        "a\nb\tc\r",
        "e\u0301 \u00e9",
    ]
    tokenizer = TOKENIZERS[kind]
    for text in texts:
        assert encode(tokenizer, [text]) == [[*reference(tokenizer).encode(text), 3]]


@pytest.mark.parametrize("junk", [b"\xff", b"\xe4\xbd", b"\xc0\x80", b"\xed\xa0\x80", b"\xf8\x88"])
def test_bytes_that_are_not_utf8_become_unknown_characters(junk, tokenizer):
    (ids,) = encode(tokenizer, [b"cat " + junk + b" sat"])
    (replaced,) = encode(tokenizer, ["cat \ufffd sat"])
    assert ids[-1] == 3
    assert [id for id in ids if id != 1] == [id for id in replaced if id != 1]
    assert encode(tokenizer, [junk])[0][-1] == 3


def test_the_null_character(tokenizer):
    if tokenizer.kind == "words":
        assert encode(tokenizer, ["the cat\0sat"]) == [[*encode(tokenizer, ["the"])[0][:1], 1, 3]]
        return
    assert encode(tokenizer, ["cat\0sat"])[0][-1] == 3
    assert decode(tokenizer, encode(tokenizer, ["cat\0sat"]))[0].startswith("cat")


def test_ten_thousand_characters(tokenizer):
    text = "the cat " * 1249 + "sat away"
    ids = encode(tokenizer, [text, "cat"])
    assert decode(tokenizer, ids) == [text, "cat"]
    assert encode(tokenizer, [text], 100) == [[*ids[0][:99], 3]]


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_sentencepiece_is_trained_alike_every_time(algorithm):
    first = SentencePieceTokenizer.train(TEXTS, 26, algorithm)
    assert first.model == SentencePieceTokenizer.train(iter(TEXTS), 26, algorithm).model


def test_sentencepiece_algorithms_differ():
    assert SentencePieceTokenizer.train(TEXTS, 26, "bpe").model != TOKENIZERS["unigram"].model


def test_the_most_frequent_characters_are_kept_and_ties_go_by_code_point():
    assert CharacterTokenizer.train(["ddccab", "d\u00e9"], vocab_size=6).characters == "cd"
    assert CharacterTokenizer.train(["ddccab", "d\u00e9"], vocab_size=7).characters == "acd"
    assert CharacterTokenizer.train(["ddccab", "d\u00e9"]).characters == "abcd\u00e9"
    assert CharacterTokenizer.train(iter(["ba"]), vocab_size=500).vocab_size == 6


def test_words_are_learned_as_they_are_cut():
    # Python splits at these too, TensorFlow does not.
    text = "a\u3000b c\u00a0d\x0be e\u2028f"
    tokenizer = WordTokenizer.train([text])
    assert tokenizer.words == ["a\u3000b", "c\u00a0d", "e", "e\u2028f"]
    assert UNKNOWN_ID not in tokenizer.tokenize(tf.constant([text])).to_list()[0]


def test_the_most_frequent_words_are_kept_and_ties_go_by_code_point():
    texts = ["the cat  the\tdog", "", "dog a"]
    assert WordTokenizer.train(texts, vocab_size=6).words == ["dog", "the"]
    assert WordTokenizer.train(iter(texts), vocab_size=7).words == ["a", "dog", "the"]
    assert WordTokenizer.train(texts).words == ["a", "cat", "dog", "the"]


def test_words_come_back_with_single_spaces():
    ids = encode(TOKENIZERS["words"], ["  the\tcat \n sat ", "the catsat"])
    assert decode(TOKENIZERS["words"], ids) == ["the cat sat", "the \ufffd"]


def test_characters_beyond_16_bits():
    tokenizer = CharacterTokenizer.train(["a\U0001f600\u4f60"])
    assert encode(tokenizer, ["\U0001f600a\u4f60\U0001f601"]) == [[6, 4, 5, 1, 3]]
    assert decode(tokenizer, [[6, 4, 5, 3]]) == ["\U0001f600a\u4f60"]


@pytest.mark.parametrize("vocab_size", [27, 40, 8000])
def test_the_largest_vocabulary_of_unigram_is_named_exactly(vocab_size):
    with pytest.raises(UserError, match=rf"vocab_size: {vocab_size} .* at most 26 is possible"):
        SentencePieceTokenizer.train(TEXTS, vocab_size)


def test_the_largest_vocabulary_of_bpe_is_one_that_works():
    with pytest.raises(UserError, match=r"vocab_size: 64 .* at most 63 is possible"):
        SentencePieceTokenizer.train(TEXTS, 64, "bpe")
    assert SentencePieceTokenizer.train(TEXTS, 63, "bpe").vocab_size == 63


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
@pytest.mark.parametrize(("texts", "least"), [(TEXTS, 19), (["abcabc", "cba"] * 3, 8)])
def test_the_smallest_vocabulary_is_named_exactly(texts, least, algorithm):
    # The special ids, each character, and the sign for a space.
    with pytest.raises(UserError, match=rf"vocab_size: {least - 1} .* at least {least} is needed"):
        SentencePieceTokenizer.train(texts, least - 1, algorithm)
    assert SentencePieceTokenizer.train(texts, least, algorithm).vocab_size == least


@pytest.mark.parametrize("vocab_size", [-1, 0, 3])
def test_vocabularies_without_room_for_the_special_ids(vocab_size):
    with pytest.raises(UserError, match=f"vocab_size.*{vocab_size}"):
        SentencePieceTokenizer.train(TEXTS, vocab_size)


@pytest.mark.parametrize("vocab_size", [-1, 0, 4])
@pytest.mark.parametrize("cls", [CharacterTokenizer, WordTokenizer])
def test_vocabularies_without_room_for_one_token(cls, vocab_size):
    with pytest.raises(UserError, match=rf"vocab_size must be above 4 .*received {vocab_size}"):
        cls.train(TEXTS, vocab_size)


@pytest.mark.parametrize("texts", [[], [""]], ids=["no text", "empty text"])
@pytest.mark.parametrize("cls", [CharacterTokenizer, SentencePieceTokenizer, WordTokenizer])
def test_nothing_to_train_on(cls, texts):
    with pytest.raises(UserError):
        cls.train(texts, 30)


def test_models_with_other_special_ids():
    writer = []

    class Writer:
        write = staticmethod(writer.append)

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=Writer, vocab_size=24, minloglevel=2
    )
    with pytest.raises(UserError, match=r"as ids 0, 1, 2, 3; it has \[-1, 0, 1, 2\]"):
        SentencePieceTokenizer(writer[0])
