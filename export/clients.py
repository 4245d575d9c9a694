"""How clients use an artefact, beside asking it for batches: the conditions it is verified under.

Several threads ask at once; they ask for one row, for none, and for more than there is room for.
Each format names those of these conditions that its runtime has.
"""

import numpy as np

from attention_zoo.export.expected import LONG

THREADS = 4
# What a report says of each condition.
CONDITIONS = {
    "threads": f"{THREADS} threads",
    "none": "no row",
    "one": "one row",
    "long": "over-long input",
}
# So many rows are asked for one by one, and by each thread.
_ROWS = 8


def client_calls(form, signature, inputs, output):
    """What a runner is asked to see whether an artefact holds under its format's conditions.

    Args:
        form: a `Format`.
        signature: the signature to ask.
        inputs: a dict from the name of an argument to the name of its array; the array of an
            input that is too long has the same name behind `LONG`.
        output: the group of what it gives; of each condition this is behind its name.

    Returns:
        A list of calls, as `protocol.py` takes them.
    """
    call = {"signature": signature, "inputs": inputs, "batch": 1, "rows": _ROWS}
    long = {name: LONG + key for name, key in inputs.items()}
    found = {
        "threads": {**call, "threads": THREADS},
        "none": {**call, "rows": 0},
        "one": call,
        "long": {**call, "inputs": long},
    }
    return [{**found[name], "output": f"{name} {output}"} for name in form.conditions]


def client_failure(form, outputs, group, agree):
    """What is wrong with what an artefact gave under a format's conditions, or "".

    What it gives of an input that is too long has to be compared with the model.

    Args:
        form: a `Format`.
        outputs: what the runner gave, by group and name.
        group: of outputs; under the same name stands what it gave for all rows.
        agree: a function of two arrays of the same shape: whether they count as the same.
    """
    for condition in form.conditions:
        if condition == "long":
            continue
        for name, array in outputs[group].items():
            few = array[:_ROWS]
            wanted = {"none": few[:0], "threads": np.concatenate([few] * THREADS)}
            if not _alike(outputs[f"{condition} {group}"][name], wanted.get(condition, few), agree):
                return f"gives another {name} with {CONDITIONS[condition]}"
    return ""


def _alike(found, wanted, agree):
    """As `agree`, of arrays of which one may have been padded further than the other."""
    if found.ndim != wanted.ndim or len(found) != len(wanted):
        return False
    if not len(found):
        return True
    if found.ndim > 1:
        width = min(found.shape[1], wanted.shape[1])
        rests = (found[:, width:], wanted[:, width:])
        if any(rest.astype(bool).any() for rest in rests):
            return False
        found, wanted = found[:, :width], wanted[:, :width]
    return found.shape == wanted.shape and agree(found, wanted)
