"""Damage as disks, copies and strangers do it, the same in every run."""

import copy
import random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# What may stand where something else is expected.
ODD = [None, True, -1, 0, 7, 10**9, 10**400, 1.5, 1e308, "", "x", "../x", [], {}, [[1]], {"a": {}}]


def flips(files, number, seed=3):
    """Flips one bit of a file at a time; the file is whole again after each.

    Args:
        files: paths.
        number: how many bits.
        seed: of the places.

    Yields:
        The path of the file that is damaged now.
    """
    draw = random.Random(seed)
    files = sorted(files)
    for i in range(number):
        path = files[i % len(files)]
        content = path.read_bytes()
        damaged = bytearray(content)
        # Half of the time where files say what they are.
        place = draw.randrange(min(len(damaged), 200) if i % 2 else len(damaged))
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        yield path
        path.write_bytes(content)


def files_in(directory):
    return [path for path in directory.rglob("*") if path.is_file()]


def _paths(value, prefix=()):
    yield prefix
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _paths(item, (*prefix, key))


def mutations(content):
    """A strategy: JSON content with one to three things in it that are odd, or missing."""
    places = [path for path in _paths(content) if path]
    changes = st.tuples(st.sampled_from(places), st.sampled_from(["remove", *ODD]))

    def mutate(changes):
        changed = copy.deepcopy(content)
        for (*parents, last), value in changes:
            inner = changed
            try:
                for key in parents:
                    inner = inner[key]
                if value == "remove":
                    del inner[last]
                else:
                    inner[last] = copy.deepcopy(value)  # a later change may go into it
            except (KeyError, IndexError, TypeError):  # an earlier change took it away
                continue
        return changed

    return st.lists(changes, min_size=1, max_size=3).map(mutate)


def fuzzed(number):
    """Settings of a test of so many inputs that are drawn, the same ones in every run."""
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
