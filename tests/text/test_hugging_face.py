"""Tokenizers of Hugging Face folders: ids as those of the reference, or a refusal."""

import json

import pytest
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.text.hugging_face import read_hugging_face_tokenizer
from attention_zoo.text.registry import load_tokenizer
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, read_vocabulary, unused_piece

PIECES = [*SPECIAL_PIECES, "un", "##able", "able", "to", "go", "é", "e"]
TEXTS = ["unable to go", "able éé", "go  to\tgoo", "unablego", "", "e e é"]


def tokenizer_json(ids, **more):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": ids[p], "content": p, **flags, "special": True} for p in SPECIAL_PIECES
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": False,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "BertProcessing",
            "sep": ["[SEP]", ids["[SEP]"]],
            "cls": ["[CLS]", ids["[CLS]"]],
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": ids,
        },
    }
    return {**content, **more}


@pytest.fixture
def write(tmp_path):
    def write_files(vocab=None, whole=None, config=None):
        for name, content in (("tokenizer.json", whole), ("tokenizer_config.json", config)):
            if content is not None:
                (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
        if vocab is not None:
            (tmp_path / "vocab.txt").write_bytes(vocab.encode())
        return tmp_path

    return write_files


def ids_of(tokenizer, text):
    ids = tokenizer.encode(tf.constant([text]), 32).numpy()[0]
    return ids[: len(ids)].tolist()


def read(folder):
    tokenizer, order = read_hugging_face_tokenizer(folder)
    assert order is None
    return tokenizer


TYPED = [
    "go [SEP] to",
    "[CLS]go[SEP]",
    "[sep] [MASK]",
    " un [E1]able",
    "[E1][E1]",
    "[E10] to [E1",
    "go  [E2]  to",
    "\u3000[E2]\u2028go",
    "E1 [PAD] \0[UNK]",
]


@pytest.mark.parametrize("in_config", [False, True])
def test_tokens_typed_in_a_text_are_found_as_the_library_finds_them(in_config, write, tmp_path):
    import tokenizers

    flags = {"single_word": False, "normalized": False, "special": True}
    added = [
        {"id": 12, "content": "[E1]", "lstrip": False, "rstrip": False, **flags},
        {"id": 14, "content": "[E2]", "lstrip": True, "rstrip": True, **flags},
    ]
    ids = {piece: i for i, piece in enumerate(PIECES)}
    content = tokenizer_json(ids)
    content["added_tokens"] += added
    config = {"added_tokens_decoder": {str(t["id"]): t for t in content["added_tokens"]}}
    folder = write(whole=content, config=config if in_config else None)
    tokenizer = read(folder)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.save(tmp_path / "saved")
    for made in (tokenizer, load_tokenizer(tmp_path / "saved")):
        assert made.vocab_size == 15
        for text in TYPED:
            expected = theirs.encode(text)
            # The library numbers tokens beyond the vocabulary itself, one after the other.
            found = [12 + (i == 14) if i > 11 else i for i in ids_of(made, text)]
            assert found == expected.ids, text
            pieces = made.tokenize_with_offsets(tf.constant([text]))
            spans = list(zip(pieces.starts.to_list()[0], pieces.ends.to_list()[0], strict=True))
            stripped = [(start, end) for start, end in expected.offsets[1:-1]]
            for (start, end), (first, last) in zip(spans, stripped, strict=True):
                assert text[start:end] == text[first:last].strip()


def test_typed_tokens_are_text_where_the_folder_says_so(write):
    config = {"split_special_tokens": True}
    tokenizer = read(write(whole=tokenizer_json(IDS), config=config))
    assert ids_of(tokenizer, "[SEP]") != ids_of(read(write(config={})), "[SEP]")
    assert tokenizer.added == ()


def test_ids_with_gaps_are_those_of_the_file(write, tmp_path):
    import tokenizers

    # As from a vocabulary with blank and repeated lines.
    ids = {piece: i + 3 * (i > 3) + 7 * (i > 8) for i, piece in enumerate(PIECES)}
    tokenizer = read(write(whole=tokenizer_json(ids)))
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.vocab_size == max(ids.values()) + 1
    for text in [*TEXTS, *(unused_piece(i) for i in range(4, 7))]:
        assert ids_of(tokenizer, text) == theirs.encode(text).ids, text
    # The placeholders survive being saved.
    tokenizer.save(tmp_path / "saved")
    assert read_vocabulary(tmp_path / "saved" / "vocab.txt") == tokenizer.vocabulary


def test_lines_of_a_vocabulary_are_ids_even_if_blank_or_repeated(write):
    lines = ["[PAD]", "go", "", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "", "to", "go", "able"]
    tokenizer = read(write(vocab="\ufeff" + "\n".join(lines) + "\n"))
    # The reference fills a dict from pieces to lines: the last one counts.
    assert tokenizer.vocab_size == len(lines)
    assert ids_of(tokenizer, "go to able") == [4, 9, 8, 10, 5]
    assert ids_of(tokenizer, "unable") == [4, 3, 5]


def test_a_vocabulary_that_disagrees_is_not_used(write):
    ids = {piece: i for i, piece in enumerate(PIECES)}
    swapped = [*PIECES[:-2], PIECES[-1], PIECES[-2]]
    folder = write("\n".join(swapped) + "\n", tokenizer_json(ids))
    with pytest.warns(UserWarning, match=r"2 ids differ, such as 10, which is 'é' in tokenizer"):
        tokenizer = read(folder)
    assert tokenizer.vocabulary == PIECES


IDS = {piece: i for i, piece in enumerate(PIECES)}
WORD = {"id": 12, "content": "[E1]", "special": True}


@pytest.mark.parametrize(
    ("whole", "config", "message"),
    [
        (
            {"added_tokens": [{**WORD, "single_word": True}]},
            None,
            r"'\[E1\]' has single_word: true",
        ),
        ({"added_tokens": [{**WORD, "normalized": True}]}, None, r"'\[E1\]' has normalized: true"),
        ({"added_tokens": [{**WORD, "id": 6}]}, None, r"'\[E1\]' has the id 6 of '##able'"),
        ({"added_tokens": [{**WORD, "id": 9999}]}, None, r"'\[E1\]' has the id 9999"),
        ({"added_tokens": [{**WORD, "content": " x"}]}, None, "' x' has space around it"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, None, "pre_tokenizer is Metaspace"),
        ({"model": {"type": "BPE"}}, None, "lacks model.vocab"),
        ({"model": {"type": "WordLevel"}}, None, "model is WordLevel; accepted is WordPiece"),
        ({"normalizer": {"type": "Lowercase"}}, None, "normalizer is Lowercase"),
        (("normalizer", "handle_chinese_chars", False), None, "handle_chinese_chars is False"),
        (("normalizer", "clean_text", False), None, "clean_text is False"),
        (("model", "unk_token", "<unk>"), None, "unk_token is '<unk>'"),
        (("model", "continuing_subword_prefix", "@@"), None, "prefix is '@@'"),
        (("model", "max_input_chars_per_word", 50), None, "per_word is 50; accepted is 100"),
        ({}, {"tokenizer_class": "BertJapaneseTokenizer"}, "class is BertJapaneseTokenizer"),
        ({}, {"tokenizer_class": "BertweetTokenizer"}, "accepted are BertTokenizer, "),
        ({}, {"auto_map": {"AutoTokenizer": ["a.B", None]}}, "code, which is not run"),
        ({}, {"do_basic_tokenize": False}, "do_basic_tokenize is False"),
        ({}, {"never_split": ["[E1]"]}, "never_split is"),
        ({}, {"tokenize_chinese_chars": False}, "tokenize_chinese_chars is False"),
        ({}, {"cls_token": "<s>"}, "cls_token is '<s>'"),
        (
            {},
            {"added_tokens_decoder": {"12": {**WORD, "single_word": True}}},
            r"'\[E1\]' has single_word",
        ),
    ],
)
def test_settings_that_are_not_supported_are_refused(whole, config, message, write):
    content = tokenizer_json(IDS)
    if isinstance(whole, tuple):
        part, name, value = whole
        content[part][name] = value
    else:
        content.update(whole)
    with pytest.raises(UserError, match=message):
        read_hugging_face_tokenizer(write(whole=content, config=config))


def test_settings_without_effect_are_accepted(write):
    config = {
        "tokenizer_class": "BertTokenizerFast",
        "model_max_length": 512,
        "name_or_path": "x",
        "never_split": None,
        "cls_token": {"content": "[CLS]", "lstrip": False},
        "added_tokens_decoder": {"0": {"content": "[PAD]"}, "4": {"content": "[MASK]"}},
        "do_lower_case": False,
    }
    tokenizer = read(write(whole=tokenizer_json(IDS), config=config))
    assert not tokenizer.lower_case
    assert tokenizer.strip_accents is False
