"""Options of `Seq2Seq.predict` beyond the beam: constraints, alignments, long texts."""

import itertools

import numpy as np
import pytest

from attention_zoo.errors import UserError
from attention_zoo.loading import load
from attention_zoo.tasks.seq2seq.alignment import align
from attention_zoo.tasks.seq2seq.search import checked_options
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.piece_tokenizer import PieceTokenizer
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.sentences import join_parts, split_long
from attention_zoo.text.word_tokenizer import WordTokenizer
from attention_zoo.zoo import RNNAttention

WORDS = ["attention", "zoo", "banana"]


@pytest.fixture(scope="module")
def task():
    return load("g2p_rnn")


def test_a_prefix_for_all_and_for_each(task):
    plain = task(WORDS)
    assert all(answer.startswith("K AE") for answer in task(WORDS, prefix="K AE"))
    each = task(WORDS, prefix=["AH", "", "B IY"], beam_size=3)
    assert each[0].startswith("AH ")
    assert each[2].startswith("B IY ")
    assert task(WORDS, prefix=["", "", ""]) == plain
    assert task(WORDS, prefix="Z", seed=3)[1].startswith("Z ")


def test_forbidden_and_forced_words(task):
    for options in ({}, {"beam_size": 4}, {"seed": 2}):
        for answer in task(WORDS, forbidden=["N", "AH T"], **options):
            assert "N" not in answer.split()
            assert ("AH", "T") not in itertools.pairwise(answer.split())
    for beam_size in (1, 4):
        for answer in task(WORDS, forced=["K", "AE SH"], beam_size=beam_size):
            assert "K" in answer.split()
            assert ("AE", "SH") in itertools.pairwise(answer.split())


def test_diverse_answers(task):
    options = {"beam_size": 4, "n_best": 4, "length_penalty": 0.0}
    plain = [answer.n_best for answer in task.predict(WORDS, **options)]
    diverse = [answer.n_best for answer in task.predict(WORDS, diversity=3.0, **options)]

    def beginnings(answers):
        return sum(len({text[:2] for text, _ in n_best}) for n_best in answers)

    assert beginnings(diverse) > beginnings(plain)
    for before, after in zip(plain, diverse, strict=True):
        scores = [score for _, score in after]
        assert scores == sorted(scores, reverse=True)
        # A score is the model's, so an answer that both lists have has the same in both.
        common = dict(before).keys() & dict(after).keys()
        assert common
        for text in common:
            assert dict(after)[text] == pytest.approx(dict(before)[text], abs=1e-4)
    assert task(WORDS, beam_size=1, diversity=3.0) == task(WORDS, beam_size=1)


def test_a_forced_word_that_is_there_changes_nothing(task):
    assert task(["zoo"], forced="UW", beam_size=4) == task(["zoo"], beam_size=4)


def test_length_and_repetition(task):
    long = "banananananana"
    assert len(task([long], min_length=20)[0].split()) >= 19
    ids = task([long], no_repeat_ngram=2, min_length=20)[0].split()
    pairs = list(itertools.pairwise(ids))
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"forced": ["QQ"]}, "forced: answers cannot contain 'QQ'"),
        ({"forced": [""]}, "forced must be words, received ''"),
        ({"forced": ["K AE"] * 1 + ["K T"] * 1 + ["N " * 40]}, "the words have 44 tokens"),
        ({"prefix": ["K"]}, "prefix: 1 were given for 3 texts"),
        ({"prefix": ["K", 3, "K"]}, "prefix must be a string, or one for each text; received 3"),
        ({"prefix": "what"}, "prefix: 'what' has unknown tokens"),
        ({"min_length": -1}, "min_length must be from 0 to 40, received -1"),
        ({"no_repeat_ngram": 99}, "no_repeat_ngram must be from 0 to 40, received 99"),
        ({"coverage_penalty": -0.1}, "coverage_penalty must be 0 or above, received -0.1"),
        ({"coverage_penalty": 0.1, "seed": 1}, "coverage_penalty is for searching"),
        ({"forced": ["K"], "seed": 1}, "forced is for searching"),
        ({"diversity": -0.5}, "diversity must be 0 or above, received -0.5"),
        ({"diversity": 0.5, "seed": 1}, "diversity is for searching"),
        ({"alignments": "letters"}, "there are no alignments of 'letters'"),
        ({"split": True, "n_best": 2, "beam_size": 2}, "split cannot be combined with n_best"),
        ({"split": True, "prefix": "K"}, "split cannot be combined with prefix"),
        ({"no_repeat": 1}, "there is no option 'no_repeat'"),
    ],
)
def test_what_is_refused(options, message, task):
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        task(WORDS, **options)


def test_a_model_without_attention_has_no_alignments():
    tokenizer = WordTokenizer(["a", "b"])
    model = RNNAttention(tokenizer.vocab_size, width=4, attention="none")
    with pytest.raises(UserError, match="alignments needs a model with attention"):
        Seq2Seq(model, tokenizer)(["a"], alignments="tokens")
    with pytest.raises(UserError, match="coverage_penalty needs a model with attention"):
        Seq2Seq(model, tokenizer, coverage_penalty=0.1)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_alignments_are_where_attention_is_largest(beam_size, task):
    options = {"beam_size": beam_size, "n_best": beam_size}
    answers = task.predict(WORDS, alignments="tokens", **options)
    plain = task.predict(WORDS, **options)
    for word, answer, same in zip(WORDS, answers, plain, strict=True):
        assert answer.n_best == same.n_best
        for explained, alignment in zip(
            task.attention(word, **options), answer.alignments, strict=True
        ):
            view = explained.views["cross"]
            weights = view.weights[-1].mean(axis=0)[:, : len(word)]
            length = len(alignment.target)
            assert alignment.target == view.queries.pieces[:length] == explained.answer.split()
            assert alignment.source == list(word)
            assert [i for i, _ in sorted(alignment.pairs, key=lambda p: p[1])] == [
                int(np.argmax(row)) for row in weights[:length]
            ]
        assert answer.lines[0] == f"{answer.text}\t{answer.alignments[0]}"
        assert answer.record["alignment"]["pairs"] == answer.alignments[0].pairs


def test_a_blank_text_has_no_alignment(task):
    (answer,) = task.predict([" "], alignments="tokens")
    assert answer.lines == [""]


def test_alignments_of_words():
    texts = ["the black cats sleep", "die schwarzen Katzen schlafen"] * 3
    tokenizer = SentencePieceTokenizer.train(texts, 29)
    source, target = (tokenizer.rows([text])[0].tolist() for text in texts[:2])
    words = tokenizer.words_of(source)
    positions = [words.index(word) for word in tokenizer.words_of(target)]
    found = align((tokenizer,) * 2, [*source, 3], [*target, 3], [*positions, 0], "words")
    assert (found.source, found.target) == (texts[0].split(), texts[1].split())
    assert str(found) == "0-0 1-1 2-2 3-3"


def test_every_spelling_of_a_word_is_forbidden():
    tokenizer = SentencePieceTokenizer.train(["aab abb bab abba"] * 4, 11)
    pieces = {"".join(tokenizer.pieces(ids)) for ids in tokenizer.spellings("ab")}
    assert pieces == {"ab", "\u2581ab"}
    spelt = [tokenizer.pieces(ids) for ids in tokenizer.spellings("ab")]
    assert ["a", "b"] in spelt
    # Not "aab": where words have spaces, a longer word is another word.
    assert ["aab"] not in spelt
    assert len(spelt) == len({tuple(each) for each in spelt})


def test_words_of_scripts_without_spaces():
    """A longer piece contains the word, and the word has no space in front of it."""
    texts = ["我在北京工作", "北京很大", "他去北京市", "北京市很大", "我在工作", "我去"] * 8
    tokenizer = SentencePieceTokenizer.train(texts, 18)
    forbidden = {"".join(tokenizer.pieces(ids)) for ids in tokenizer.spellings("北京")}
    longer = {p for p in tokenizer.pieces(range(4, tokenizer.vocab_size)) if "北京" in p}
    assert longer - {"北京", "\u2581北京"}
    assert longer <= forbidden
    model = RNNAttention(tokenizer.vocab_size, width=8)
    task = Seq2Seq(model, tokenizer, max_target_length=12)
    assert "北京" in task(["我去"], forced=["北京"], beam_size=4)[0]
    ids = checked_options(task, {"forced": ["北京"]})["forced"]
    assert [tokenizer.pieces(each) for each in ids] in ([["北京"]], [["北", "京"]])
    pieces = PieceTokenizer(tokenizer.model, tokenizer.pieces(range(4, tokenizer.vocab_size)))
    assert pieces.spellings("北京") == tokenizer.spellings("北京")


# Long texts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("short", ["short"]),
        ("One two. Three four! Five?", ["One two.", "Three four!", "Five?"]),
        ('He said "no." She left.', ['He said "no."', "She left."]),
        (
            "Mr. A. B. came. He left, at last, to sea.",
            ["Mr. A. B. came.", "He left, at last,", "to sea."],
        ),
        ("我不知道。他走了！为什么？因为下雨，所以不能来，也不想来。", None),
        ("a" * 50, ["a" * 12, "a" * 13, "a" * 12, "a" * 13]),
        ("one two three four five six", ["one two three four", "five six"]),
        ("He saw NASA. It flew.", ["He saw NASA.", "It flew."]),
        ("यह पहला है। वह दूसरा है।", ["यह पहला है।", "वह दूसरा है।"]),
        ("هل أنت بخير؟ نعم أنا بخير", ["هل أنت بخير؟", "نعم أنا بخير"]),
    ],
)  # fmt: skip
def test_split_long(text, parts):
    found = split_long(text, lambda part: len(part) < 20)
    if parts is None:
        parts = ["我不知道。", "他走了！", "为什么？", "因为下雨，所以不能来，也不想来。"]
    assert found == parts
    assert "".join(found).replace(" ", "") == text.replace(" ", "")


def test_join_parts():
    assert join_parts(["", "One.", " Two. ", ""]) == "One. Two."
    assert join_parts(["“一。”", "二，", "three", "四"]) == "“一。”二， three 四"
    assert join_parts(["他走了。", "《红楼梦》", "是书。"]) == "他走了。《红楼梦》是书。"


def test_each_part_has_the_tag_of_the_text():
    pieces = ["\u2581a", "\u2581b.", ">>fra<<", ">>deu<<"]
    source = SentencePieceTokenizer.train(["a b. a b. a"] * 4, 9)
    tokenizer = PieceTokenizer(source.model, pieces)
    task = Seq2Seq(RNNAttention(tokenizer.vocab_size, width=4), tokenizer, max_source_length=6)
    parts = task._parts(">>deu<< a b. a b. b a.")
    assert len(parts) > 1
    assert all(part.startswith(">>deu<<") for part in parts)
    assert "".join(part.removeprefix(">>deu<<") for part in parts).replace(" ", "") == "ab.ab.ba."


def test_settings_that_are_changed_later_count():
    task = load("g2p_rnn")
    short = task(["zoo"])
    task.min_length = 12
    assert task(["zoo"]) != short
    assert task(["zoo"], min_length=12) == task(["zoo"])


def test_long_texts_in_parts(task):
    text = "the cat, the dog and the zoo. " * 4
    limit = task.max_source_length - 1
    parts = split_long(text, lambda part: len(part) <= limit)
    assert len(parts) > 3
    [answer] = task.predict([text], split=True)
    assert answer.text == " ".join(task(parts))
    assert answer.score == pytest.approx(sum(a.score for a in task.predict(parts)), rel=1e-4)
    assert task(["zoo"], split=True) == task(["zoo"])
