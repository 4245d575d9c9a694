"""Hands a command line to the process of the tests, which runs it: see `tests/test_docs.py`.

Python's standard library alone, and little of it, so that it starts at once.
"""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    with server.makefile("rwb") as file:
        call = {
            "arguments": sys.argv[2:],
            "folder": os.getcwd(),
            "input": sys.stdin.buffer.read().decode(),
        }
        file.write(json.dumps(call).encode() + b"\n")
        file.flush()
        answer = json.loads(file.readline())
sys.stdout.write(answer["output"])
sys.stderr.write(answer["errors"])
sys.exit(answer["status"])
