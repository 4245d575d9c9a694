"""Runs a LiteRT file one token at a time, with only ai-edge-litert and numpy; see `protocol.py`.

`Stream` is a driver to start from: it yields each token as soon as it is decoded.
"""

import os
import sys

if __package__:  # of this package; otherwise it must not be imported
    from attention_zoo.export.runners import protocol
else:
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import protocol

    protocol.ban("attention_zoo", "tensorflow", "keras")

import numpy as np
from ai_edge_litert.interpreter import Interpreter

START_ID, END_ID = 2, 3


class Stream:
    """Greedy search with the signatures `encode` and `decode_step`."""

    def __init__(self, path, threads=1):
        self.interpreter = Interpreter(model_path=path, num_threads=threads)
        self.encode = self.interpreter.get_signature_runner("encode")
        self.decode_step = self.interpreter.get_signature_runner("decode_step")
        (source,) = self.encode.get_input_details().values()
        self.max_source_length = source["shape"][1]

    def read(self, source_ids):
        """Encodes source ids that end in the end id; returns the maximum length of answers."""
        if len(source_ids) > self.max_source_length:
            source_ids = [*source_ids[: self.max_source_length - 1], END_ID]
        padded = np.zeros((1, self.max_source_length), np.int32)
        padded[0, : len(source_ids)] = source_ids
        outputs = self.encode(source_ids=padded)
        self.suppressed = outputs.get("suppressed", [])
        self.min_length = int(outputs.get("min_length", 0))
        self.no_repeat_ngram = int(outputs.get("no_repeat_ngram", 0))
        return int(outputs["max_length"])

    def logits(self, token_id, position):
        """The logits `(V,)` of the token after `token_id`; the start id is at position 0."""
        token_id, position = np.array([[token_id]], np.int32), np.array(position, np.int32)
        return self.decode_step(token_id=token_id, position=position)["logits"][0]

    def excluded(self, ids):
        """The ids that must not follow those of an answer so far, a list."""
        excluded = [int(i) for i in self.suppressed]
        if len(ids) + 1 < self.min_length:
            excluded.append(END_ID)
        size = self.no_repeat_ngram
        if size:
            last = ids[len(ids) - size + 1 :]
            starts = range(len(ids) - size + 1)
            excluded += [ids[i + size - 1] for i in starts if ids[i : i + size - 1] == last]
        return excluded

    def tokens(self, source_ids):
        """Yields the ids of the answer one by one, including the end id if it is reached.

        `score` is the log-probability of the ids yielded so far.
        """
        token_id, ids, self.score = START_ID, [], 0.0
        for position in range(self.read(source_ids)):
            logits = self.logits(token_id, position)
            allowed = logits.copy()
            allowed[self.excluded(ids)] = -np.inf
            # If nothing else is possible, the answer ends.
            token_id = int(np.argmax(allowed)) if np.any(np.isfinite(allowed)) else END_ID
            ids.append(token_id)
            self.score -= float(np.log(np.sum(np.exp(logits - logits[token_id]))))
            yield token_id
            if token_id == END_ID:
                return


def load(path, threads):
    """A function with the signatures of other files: answers, and logits."""
    streams = protocol.PerThread(lambda: Stream(path, threads or os.cpu_count() or 1))

    def run(signature, arguments):
        stream = streams.get()
        sources = [row[row != 0] for row in arguments["source_ids"]]
        if signature == "logits":
            rows = [
                _teach(stream, *pair) for pair in zip(sources, arguments["target_ids"], strict=True)
            ]
            return {"logits": np.stack(rows)}
        answers, scores = [], []
        for source in sources:
            answers.append(list(stream.tokens(source)))
            scores.append(stream.score)
        ids = np.zeros((len(answers), max(map(len, answers))), np.int32)
        for row, answer in zip(ids, answers, strict=True):
            row[: len(answer)] = answer
        return {"target_ids": ids, "score": np.array(scores, np.float32)}

    stream = streams.get()
    runners = {"encode": stream.encode, "decode_step": stream.decode_step}
    return run, protocol.describe_litert(runners)


def _teach(stream, source_ids, target_ids):
    """The logits after each token of a given target."""
    length = stream.read(source_ids)
    given = enumerate(target_ids[:length])
    return np.stack([stream.logits(token, index) for index, token in given])


if __name__ == "__main__":
    protocol.answer(load)
