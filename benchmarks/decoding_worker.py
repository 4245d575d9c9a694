"""One competitor of the decoding benchmark, in a process of its own with one thread.

Started by `decoding.py`. Reads lines of JSON `{"ids": [[...]], "repeat": n}` and answers
each with `{"tokens": [[...]], "seconds": ..., "cpu_seconds": ...}`, the times of one call.
"""

import json
import os
import sys
import time

# Before anything that reads them is imported.
for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ[name] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402


def tensorflow_runner(path, function, _beam):
    """Our SavedModel; nothing of our package is imported."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    module = tf.saved_model.load(path)  # kept: it owns the weights
    decode = getattr(module, function)

    def run(ids, _owner=module):
        return decode(tf.constant(ids))["ids"].numpy()[:, 0]

    return run


def litert_runner(path, _function, _beam):
    """Our LiteRT file."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    run = interpreter.get_signature_runner()
    return lambda ids: run(ids=ids)["ids"][:, 0]


def ctranslate2_runner(path, _function, beam):
    """CTranslate2, which is not allowed to end before the last token."""
    import ctranslate2
    from decoding_artefacts import token

    translator = ctranslate2.Translator(path, inter_threads=1, intra_threads=1)

    def run(ids):
        length = ids.shape[1]
        results = translator.translate_batch(
            [[token(i) for i in row] for row in ids],
            beam_size=beam,
            max_decoding_length=length,
            min_decoding_length=length,
            return_scores=beam > 1,
        )
        return np.array([[int(word[1:]) for word in result.hypotheses[0]] for result in results])

    return run


def main():
    kind, path, function, beam = sys.argv[1:]
    runners = {
        "tf": tensorflow_runner,
        "litert": litert_runner,
        "ctranslate2": ctranslate2_runner,
    }
    run = runners[kind](path, function, int(beam))
    for line in sys.stdin:
        request = json.loads(line)
        ids = np.array(request["ids"], "int32")
        start, cpu_start = time.perf_counter(), time.process_time()
        for _ in range(request["repeat"]):
            tokens = run(ids)
        answer = {
            "seconds": (time.perf_counter() - start) / request["repeat"],
            "cpu_seconds": (time.process_time() - cpu_start) / request["repeat"],
            "tokens": tokens.tolist(),
        }
        print("ANSWER " + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
