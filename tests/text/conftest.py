"""Files of examples, as they stand and gzipped."""

import gzip

import pytest

from attention_zoo.text.readers import read_examples

FIELDS = ["zh", "en"]


@pytest.fixture(params=["", ".gz"], ids=["plain", "gzip"])
def suffix(request):
    return request.param


@pytest.fixture
def write(tmp_path, suffix):
    """A function that writes a file, gzipped in the second run, and gives its name."""

    def write_file(name, content):
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / (name + suffix)).write_bytes(gzip.compress(data) if suffix else data)
        return name + suffix

    return write_file


@pytest.fixture
def read(tmp_path):
    return lambda files, fields=FIELDS: read_examples(files, fields, base=tmp_path)
