"""LiteRT with strings: tensorflow-text's tokenizers are operators of the file.

They are no builtin operators: whoever runs the file gives the interpreter tensorflow-text's, as
`runners/run_litert_text.py` does.
"""

import numpy as np
import tensorflow as tf
import tensorflow_text

from attention_zoo.export.expected import IDS, STRINGS, only
from attention_zoo.export.litert import write_litert
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.vocabulary import END_ID, PAD_ID
from attention_zoo.text.wordpiece_tokenizer import LONGEST_WORD

OPERATORS = (
    "FastBertNormalize",
    "TFText>FastSentencepieceTokenize",
    "FastWordpieceTokenizeWithOffsets",
)


def why_not_litert_text(task):
    """Why a task has no LiteRT file that takes strings, or an empty string."""
    if task.kind == "seq2seq":
        tokenizer = task.source_tokenizer
        if isinstance(tokenizer, SentencePieceTokenizer) and tokenizer.is_unigram:
            return ""
        return "is for sources cut by SentencePiece's unigram model"
    if task.kind not in ("classify", "embed"):
        return f"is for seq2seq, classify and embed, the task is {task.kind}"
    if len(task.text_inputs) > 1:
        return "is for single texts, the task takes pairs"
    if task.kind == "classify" and task.problem == "several":
        return "is for one label a text or a number, the task gives several labels"
    tokenizer = task.tokenizer
    if tokenizer.strip_accents not in (None, tokenizer.lower_case):
        return "takes accents off if it makes small letters; the task has one without the other"
    return ""


def write_litert_text(task, path, quantize="none", examples=()):
    """Writes a LiteRT file whose `serving_default` takes strings.

    Of encoders it gives what the SavedModel does; of sequence-to-sequence tasks ids, since
    tensorflow-text's operator that would make strings of them does not work in LiteRT.

    Args:
        task: a task.
        path: the file to write.
        quantize: as in `write_litert`, but not `"full_int8"`.
        examples: of no concern here.
    """
    ids_of_text = _tokenizer(task)
    functions = task.signatures()

    def serving_default(text):
        ids = ids_of_text(text)
        if task.kind == "seq2seq":
            return functions["ids"][0](ids)
        inputs = {
            "token_ids": ids,
            "mask": tf.cast(tf.not_equal(ids, PAD_ID), tf.int32),
            "segment_ids": tf.zeros_like(ids),
        }
        return task.read(task.compute(inputs), inputs, text)

    signature = task.compared.signature
    signatures = {
        "serving_default": (serving_default, [tf.TensorSpec([None], tf.string, "text")]),
        signature: functions[signature],
    }
    write_litert(task, path, quantize, examples, signatures, operators=OPERATORS)


def expected_of_litert_text(task, expected):
    """What a file is to give, of the texts that its tokenizer reads as the task's does.

    The normalisation of tensorflow-text's operator goes further than BERT's: it makes `…` three
    full stops, and a comma of full width one of ASCII.

    Args:
        task: a task; only its tokenizers are used.
        expected: see `expected.expected_of`.
    """
    ids_of_text = tf.function(
        _tokenizer(task), input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )
    rows = expected["source_ids" if task.kind == "seq2seq" else "token_ids"]
    alike = [
        np.array_equal(ids_of_text(tf.constant([text])).numpy()[0], row[row != 0])
        for text, row in zip(expected["text"], rows, strict=True)
    ]
    # Of a sequence-to-sequence task ids come out, with the score that they have.
    said = {STRINGS + n.removeprefix(IDS): a for n, a in expected.items() if n.startswith(IDS)}
    return only(task, {**expected, **said}, np.array(alike, dtype=bool))


def _tokenizer(task):
    """A function of strings, `(B,)`, that gives their ids, `(B, T)`, by operators of LiteRT."""
    if task.kind == "seq2seq":
        tokenizer, room = task.source_tokenizer, task.max_source_length - 1
        return lambda text: _joined(tokenizer.raw_ids(text), room, END_ID)
    ours, room = task.tokenizer, task.max_length - 2
    normalizer = tensorflow_text.FastBertNormalizer(lower_case_nfd_strip_accents=ours.lower_case)
    cutter = tensorflow_text.FastWordpieceTokenizer(
        ours.vocabulary, max_bytes_per_word=LONGEST_WORD, unknown_token="[UNK]"
    )

    def ids_of_text(text):
        rows = _joined(cutter.tokenize(normalizer.normalize(text)), room, ours.sep_id)
        return tf.concat([tf.fill([tf.shape(rows)[0], 1], ours.cls_id), rows], axis=1)

    return ids_of_text


def _joined(ragged, room, end_id):
    """The first ids of each row, then the end id, as a dense tensor: builtin operators alone."""
    splits = tf.cast(ragged.row_splits, tf.int32)
    starts_B1 = tf.expand_dims(splits[:-1], 1)
    lengths_B1 = tf.minimum(tf.expand_dims(splits[1:], 1) - starts_B1, room)
    longest = tf.reduce_max(tf.concat([tf.reshape(lengths_B1, [-1]), [0]], axis=0))
    place_T = tf.range(longest + 1)
    is_id_BT = place_T < lengths_B1
    # With one more, there is something to look at where there is no id at all.
    ids = tf.concat([tf.cast(ragged.flat_values, tf.int32), [PAD_ID]], axis=0)
    ids_BT = tf.gather(ids, tf.where(is_id_BT, starts_B1 + place_T, 0))
    ending_BT = tf.where(tf.equal(place_T, lengths_B1), end_id, PAD_ID)
    return tf.where(is_id_BT, ids_BT, ending_BT)
