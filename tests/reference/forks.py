"""The command line in forks of a process that has imported TensorFlow already.

Each call is a process of its own, with its own arguments, environment, folder and standard streams,
but spends no seconds on imports. TensorFlow starts its threads on first use, which is after the
fork. Tests of what happens before or during imports start the command itself.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Answers each connection with the exit status of a fork, which gets the descriptors sent.
_SERVER = """
import json, os, signal, socket, sys

from attention_zoo.quiet import import_tensorflow
import_tensorflow()
import attention_zoo.commands, attention_zoo.export.export, attention_zoo.recipes.run
import sacrebleu
from attention_zoo.cli import main

server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    connection, _ = server.accept()
    if os.fork():
        connection.close()
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    call = json.loads(message)
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.sendall(str(status).encode())
        os._exit(0)
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
    os.environ.clear()
    os.environ.update(call["environment"])
    sys.path[:0] = filter(None, call["environment"].get("PYTHONPATH", "").split(os.pathsep))
    os.chdir(call["folder"])
    sys.argv = ["attention-zoo", *call["arguments"]]
    main()
    os._exit(70)  # main ends the process
"""

# A command that passes its streams on to the server.
_COMMAND = """#!{python} -S
import json, os, socket, sys

connection = socket.socket(socket.AF_UNIX)
connection.connect({path!r})
call = dict(arguments=sys.argv[1:], environment=dict(os.environ), folder=os.getcwd())
socket.send_fds(connection, [json.dumps(call).encode()], [0, 1, 2])
sys.exit(int(connection.recv(100) or 71))
"""


class Forks:
    """A folder with the command `attention-zoo`, which runs in a fork; a context manager.

    Example:
        >>> with Forks() as forks:
        ...     forks.run("--version").returncode
        0
    """

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.bin = Path(self._folder.name)
        self.command = self.bin / "attention-zoo"
        path = str(self.bin / "socket")
        self.command.write_text(_COMMAND.format(python=sys.executable, path=path))
        self.command.chmod(0o755)
        self._server = None
        return self

    def __exit__(self, *_):
        if self._server:
            self._server.kill()
            self._server.wait()
        self._folder.cleanup()

    def start(self):
        """Starts the server, unless it runs."""
        if self._server is None:
            path = str(self.bin / "socket")
            environment = {**os.environ, "COLUMNS": "160"}
            command = [sys.executable, "-c", _SERVER, path]
            self._server = subprocess.Popen(command, env=environment)
            while not os.path.exists(path):
                assert self._server.poll() is None, "the server of forks has ended"

    def run(self, *arguments, stdin=b"", check=0, cwd=None, **environment):
        """Runs the command; returns the finished process with output as text."""
        self.start()
        process = subprocess.run(
            [str(self.command), *map(str, arguments)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env={**os.environ, "COLUMNS": "160", **environment},
            cwd=cwd,
            check=False,
        )
        process.stdout, process.stderr = process.stdout.decode(), process.stderr.decode()
        assert process.returncode == check, process.stderr[-3000:]
        return process
