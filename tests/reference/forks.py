"""Processes that are forks of one that has imported TensorFlow already.

Each is a process of its own, with its own arguments, environment, folder and standard streams, but
spends no seconds on imports. TensorFlow starts its threads on first use, which is after the fork.
Tests of what happens before or during imports start the command itself.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Answers each connection with the exit status of a fork, which gets the descriptors sent.
_SERVER = """
import json, os, signal, socket, sys, traceback

{preparation}

server = socket.socket(socket.AF_UNIX)
server.bind({path!r})
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
    os.chdir(call["folder"])
    sys.argv = call["arguments"]
    status = 0
    try:
{work}
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
"""

# Passes its arguments and streams on to the server.
_CLIENT = """#!{python} -IS
import json, os, socket, sys

connection = socket.socket(socket.AF_UNIX)
connection.connect({path!r})
call = dict(arguments=sys.argv, environment=dict(os.environ), folder=os.getcwd())
socket.send_fds(connection, [json.dumps(call).encode()], [0, 1, 2])
sys.exit(int(connection.recv(100) or 71))
"""


class ForkServer:
    """A process that forks on demand; a context manager.

    Args:
        preparation: code to run once.
        work: code to run in each fork.
        options: options of the interpreter.

    Attributes:
        client: an executable whose calls are made in forks, once the server was started.
    """

    def __init__(self, preparation, work, options=(), name="client"):
        self._code = preparation, work
        self._options = options
        self._name = name

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        self._path = str(Path(self._folder.name) / "socket")
        self.client = Path(self._folder.name) / self._name
        self.client.write_text(_CLIENT.format(python=sys.executable, path=self._path))
        self.client.chmod(0o755)
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
            preparation, work = self._code
            work = "\n".join(f"        {line}" for line in work.splitlines())
            code = _SERVER.format(preparation=preparation, path=self._path, work=work)
            self._server = subprocess.Popen([sys.executable, *self._options, "-c", code])
            while not os.path.exists(self._path):
                assert self._server.poll() is None, "the server of forks has ended"


class CommandLine(ForkServer):
    """The command `attention-zoo` in forks.

    Example:
        >>> with CommandLine() as forks:
        ...     forks.run("--version").returncode
        0
    """

    def __init__(self):
        preparation = """
from attention_zoo.quiet import import_tensorflow
import_tensorflow()
import attention_zoo.commands, attention_zoo.export.export, attention_zoo.recipes.run
import sacrebleu
from attention_zoo.cli import main
"""
        work = """
sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
main()
"""
        super().__init__(preparation, work, name="attention-zoo")

    def run(self, *arguments, stdin=b"", check=0, cwd=None, **environment):
        """Runs the command; returns the finished process with output as text."""
        self.start()
        process = subprocess.run(
            [str(self.client), *map(str, arguments)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env={**os.environ, "COLUMNS": "160", **environment},
            cwd=cwd,
            check=False,
        )
        process.stdout, process.stderr = process.stdout.decode(), process.stderr.decode()
        assert process.returncode == check, process.stderr[-3000:]
        return process


_IMPORTS = {
    "run_saved_model.py": "tensorflow, tensorflow_text",
    "run_keras.py": "keras, tensorflow",
}


class Runners:
    """Starts the runners of artefacts, those with TensorFlow in forks; a context manager.

    The server has what a runner imports, and not this package.
    """

    def __init__(self, start):
        self._start = start
        self._servers = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self._servers.values():
            server.__exit__()

    def start(self, python, *arguments):
        """In place of `attention_zoo.export.running._start`."""
        imports = _IMPORTS.get(arguments[0].name)
        if str(python) != sys.executable or imports is None:
            return self._start(python, *arguments)
        if imports not in self._servers:
            backend = "os.environ['KERAS_BACKEND'] = 'tensorflow'"
            preparation = f"import runpy\n{backend}\nimport {imports}"
            work = "sys.argv = sys.argv[2:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
            server = ForkServer(preparation, work, options=["-I"])
            self._servers[imports] = server.__enter__()
            server.start()
        return self._start(self._servers[imports].client, *arguments)
