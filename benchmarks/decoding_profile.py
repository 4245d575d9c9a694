"""Where the time of a decoding step goes, piece by piece, with one thread.

    python benchmarks/decoding_profile.py [--quick] [--json FILE]

The model of `decoding.py`. Every piece of a step - embedding, self-attention with the
cache, cross-attention, feed-forward, output projection, choice of tokens - runs alone in
a `tf.while_loop`, once in TensorFlow and once converted to LiteRT, float32 and int8, and
is timed per iteration in processor time. The row "whole step" is the complete search less
the encoder, per token; what it has more than the sum of the pieces is the loop's own
cost: copies of what the loop carries, and small operators between the pieces.
"""

import argparse
import os
import statistics
import sys
import time

for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ[name] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from ai_edge_litert.interpreter import Interpreter  # noqa: E402
from decoding_artefacts import FULL, QUICK, SPECIAL_IDS, make_model  # noqa: E402
from measure import console, machine, write_json  # noqa: E402
from rich.table import Table  # noqa: E402

from attention_zoo.decoding.beam_search import (  # noqa: E402
    BeamOptions,
    _best_continuations,
    beam_search,
)
from attention_zoo.decoding.constraints import Constraints  # noqa: E402
from attention_zoo.decoding.greedy import _most_probable, greedy_search  # noqa: E402
from attention_zoo.decoding.loop import Hypotheses, _extend  # noqa: E402

CASES = {"greedy b1": (1, 1), "beam4 b1": (1, 4), "beam4 b16": (16, 4)}
COLUMNS = ("TF", "LiteRT float32", "LiteRT int8")


class Pieces:
    """The pieces of one step as loops: functions from int32 ids to a float scalar."""

    def __init__(self, model, size, batch, beam):
        self.model, self.size, self.batch, self.beam = model, size, batch, beam
        self.length = size["length"]

    def loops(self):
        """Name to function of `ids (B, S)`."""
        whole = (
            (lambda ids: greedy_search(self.model, ids, self.length))
            if self.beam == 1
            else (lambda ids: beam_search(self.model, ids, self.length, beam_size=self.beam))
        )
        return {
            "encoder": lambda ids: self.model.encode(ids)["value_0"],
            "embedding, positions": self._loop(self._embed, self._hidden),
            "masks and ancestry": self._loop(self._descend, self._ancestry),
            "self-attention, cache": self._loop(self._self_attention, self._hidden_and_caches),
            "cross-attention": self._loop(self._cross_attention, self._hidden_beside_memory),
            "feed-forward": self._loop(self._feed_forward, self._hidden),
            "output projection": self._loop(self._project, self._hidden),
            "log-sum-exp": self._loop(self._log_sum_exp, self._beside_logits),
            "arg-max or top-k": self._loop(self._top, self._beside_logits),
            "other bookkeeping": self._loop(self._bookkeeping, self._hypotheses),
            "whole search": lambda ids: whole(ids).ids,
        }

    def _loop(self, piece, start):
        def run(ids):
            # The encoder runs in no piece: its output is stood in for by constants.
            carried = start(ids)
            _, carried = tf.while_loop(
                lambda i, _: i < self.length,
                lambda i, state: (i + 1, piece(state, i)),
                (tf.constant(0), carried),
            )
            return tf.nest.flatten(carried)[0]

        return run

    # What the loops carry; made from the ids so that nothing is folded into a constant.

    def _hidden(self, ids):
        first = tf.cast(ids[:, :1, tf.newaxis], tf.float32) * 1e-3
        return first + np.random.default_rng(0).normal(
            size=(1, self.beam, self.size["width"])
        ).astype("float32")

    def _beside_logits(self, ids):
        # Outside the loop, so that no pass over the vocabulary is timed but the piece's own.
        first = tf.cast(ids[:, :1, tf.newaxis], tf.float32) * 1e-3
        noise = np.random.default_rng(0).normal(size=(1, 1, self.size["vocab"]))
        beams = np.zeros((1, self.beam, 1), "float32")
        self.logits = first + noise.astype("float32") + beams
        return first

    def _start_cache(self):
        head = self.size["width"] // self.size["heads"]
        memory = {"mask": tf.ones((self.batch, self.length), tf.bool)}
        for i in range(self.size["blocks"]):
            shape = (self.batch, self.size["heads"], self.length, head)
            memory[f"key_{i}"] = memory[f"value_{i}"] = tf.zeros(shape)
        return self.model.start(memory, self.length, self.beam)

    def _ancestry(self, ids):
        return self._start_cache()[0] + ids[:, :1, tf.newaxis] * 0

    def _hidden_and_caches(self, ids):
        return (self._hidden(ids), *self._start_cache()[1:])

    def _hidden_beside_memory(self, ids):
        # Outside the loop, as in a search: the loop captures the memory.
        shape = (self.batch, self.size["heads"], self.length, -1)
        row = tf.cast(ids[:1, :1], tf.float32) * 1e-3 + np.ones((1, self.size["width"]), "f4")
        rows = tf.tile(row, [self.batch * self.length, 1])
        self.memory = [tf.reshape(rows * factor, shape) for factor in (0.1, 0.2)]
        return self._hidden(ids)

    def _hypotheses(self, _ids):
        pair = (self.batch, self.beam)
        return Hypotheses(
            ids=tf.zeros((*pair, self.length), tf.int32),
            scores=tf.zeros(pair),
            lengths=tf.zeros(pair, tf.int32),
            finished=tf.zeros(pair, tf.bool),
            attention=(),
        )

    # The pieces: each maps what its loop carries to the same shapes.

    def _embed(self, hidden, position):
        ids = tf.cast(hidden[:, :, 0] * 0.0, tf.int32) + position
        return self.model.target_position.step(self.model.target_embedding(ids), position)

    def _descend(self, ancestry, position):
        ancestry, mask = self.model._descend(ancestry, position)
        return ancestry + tf.cast(mask[:, :, :1], tf.int32)

    def _self_attention(self, state, position):
        hidden, *caches = state
        mask = tf.ones((self.batch, self.beam, self.length * self.beam), tf.bool)
        new = []
        for i, block in enumerate(self.model.decoder_blocks):
            norm = block.self_attention_add_norm
            attended, cache = block.self_attention.step(
                norm.before(hidden), caches[2 * i : 2 * i + 2], position * self.beam, mask
            )
            hidden = norm(hidden, attended)
            new += cache
        return (hidden, *new)

    def _cross_attention(self, hidden, _position):
        mask = tf.ones((self.batch, 1, 1, self.length), tf.bool)
        for block in self.model.decoder_blocks:
            norm = block.cross_attention_add_norm
            query = block.cross_attention.project_query(norm.before(hidden))
            attended, _ = block.cross_attention.attend(query, *self.memory, mask)
            hidden = norm(hidden, attended)
        return hidden

    def _feed_forward(self, hidden, _position):
        for block in self.model.decoder_blocks:
            hidden = block.apply_feed_forward(hidden)
        return hidden

    def _project(self, hidden, _position):
        logits = self.model._logits(hidden)
        return hidden + 1e-9 * logits[:, :, : self.size["width"]]

    def _log_sum_exp(self, total, _position):
        return total + tf.reduce_logsumexp(self.logits, axis=2)[:, :1, tf.newaxis]

    def _top(self, total, _position):
        if self.beam == 1:
            found = tf.argmax(self.logits, axis=2, output_type=tf.int32)
            return total + tf.cast(found, tf.float32)[:, :, tf.newaxis]
        return total + tf.math.top_k(self.logits, self.beam)[0][:, :1, :1]

    def _bookkeeping(self, hypotheses, position):
        # The choice among few logits: all of it but its passes over the vocabulary.
        few = tf.reshape(tf.range(8 * self.beam, dtype=tf.float32), (1, self.beam, 8))
        logits = few + tf.expand_dims(hypotheses.scores, 2)
        if self.beam == 1:
            choice = _most_probable(logits, hypotheses, position, Constraints())
        else:
            choice = _best_continuations(logits, hypotheses, position, self.beam, BeamOptions(0.6))
        return _extend(hypotheses, position, choice, None)


def milliseconds(call, repeats):
    """Median processor time of one call."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def runners(model, function, batch, length):
    """The three ways to run a function of ids, by column."""
    module = tf.Module()
    module.variables_ = [variable.value for variable in model.variables]
    spec = tf.TensorSpec([batch, length], tf.int32, name="ids")
    compiled = tf.function(function, input_signature=[spec], autograph=False)
    ids = np.random.default_rng(0).integers(SPECIAL_IDS, 100, (batch, length)).astype("int32")
    yield "TF", lambda: compiled(tf.constant(ids)).numpy()
    for precision in ("float32", "int8"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [compiled.get_concrete_function()], module
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if precision == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
        run = interpreter.get_signature_runner()
        yield f"LiteRT {precision}", lambda run=run: run(ids=ids)


def profile(model, size, batch, beam, repeats):
    """Milliseconds per step of every piece, by piece and column."""
    times = {}
    for piece, function in Pieces(model, size, batch, beam).loops().items():
        console.print(f"  {piece}", style="dim")
        times[piece] = {
            column: milliseconds(call, repeats)
            for column, call in runners(model, function, batch, size["length"])
        }
    steps = size["length"]
    result = {
        piece: {column: value / steps for column, value in row.items()}
        for piece, row in times.items()
        if piece not in ("encoder", "whole search")
    }
    parts = {column: sum(row[column] for row in result.values()) for column in COLUMNS}
    whole = {
        column: (times["whole search"][column] - times["encoder"][column]) / steps
        for column in COLUMNS
    }
    result["the loop itself"] = {column: whole[column] - parts[column] for column in COLUMNS}
    result["whole step"] = whole
    result["encoder, once"] = times["encoder"]
    return result


def show(title, result):
    """Prints milliseconds and shares."""
    table = Table(title=title)
    table.add_column("ms (share of the step)")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for piece, row in result.items():
        cells = [
            f"{row[column]:.2f} ({100 * row[column] / result['whole step'][column]:.0f} %)"
            for column in COLUMNS
        ]
        table.add_row(piece, *cells)
    console.print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny model, a smoke test")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", help="write what was measured to this file")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    size = QUICK if options.quick else FULL
    facts = machine("attention-zoo", "keras", "tensorflow", "ai-edge-litert")
    console.print({**facts, "oneDNN": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "TF's default")})
    model = make_model(size)
    results = {}
    for case in options.cases:
        console.print(case)
        results[case] = profile(model, size, *CASES[case], options.repeats)
        show(case, results[case])
    if options.json:
        write_json(options.json, machine=facts, milliseconds=results)


if __name__ == "__main__":
    sys.exit(main())
