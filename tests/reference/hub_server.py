"""A server with the part of the Hugging Face Hub's interface that downloads a repository."""

import contextlib
import hashlib
import http.server
import json
import threading
import urllib.parse
from pathlib import Path


@contextlib.contextmanager
def serve_repository(name, folder, revisions):
    """Serves a folder as a repository on loopback.

    Args:
        name: of the repository.
        folder: its files, the same in every revision.
        revisions: from branches, tags and commits to commits.

    Yields:
        The address, and the list of the paths that were asked for.
    """
    asked = []
    files = {str(p.relative_to(folder)): p for p in Path(folder).rglob("*") if p.is_file()}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.respond(with_content=False)

        def do_GET(self):
            self.respond(with_content=True)

        def respond(self, with_content):
            asked.append(self.path)
            path = urllib.parse.unquote(self.path.split("?")[0]).strip("/")
            if path.startswith(f"api/models/{name}/tree/"):
                if path.rsplit("/", 1)[1] in revisions.values():
                    tree = [
                        {"type": "file", "path": file, "oid": "0" * 40, "size": p.stat().st_size}
                        for file, p in sorted(files.items())
                    ]
                    self.send(json.dumps(tree).encode(), "application/json", {}, with_content)
                    return
            elif path.startswith(f"api/models/{name}"):
                revision = path.removeprefix(f"api/models/{name}").removeprefix("/revision/")
                commit = revisions.get(revision or "main")
                if commit:
                    siblings = [{"rfilename": file} for file in sorted(files)]
                    content = {"id": name, "sha": commit, "siblings": siblings}
                    self.send(json.dumps(content).encode(), "application/json", {}, with_content)
                    return
            if path.startswith(f"{name}/resolve/"):
                revision, _, file = path.removeprefix(f"{name}/resolve/").partition("/")
                if revision in revisions.values() and file in files:
                    content = files[file].read_bytes()
                    digest = hashlib.sha256(content).hexdigest()
                    headers = {"ETag": f'"{digest}"', "X-Repo-Commit": revision}
                    self.send(content, "application/octet-stream", headers, with_content)
                    return
            kind = "RevisionNotFound" if path.startswith(f"api/models/{name}") else "RepoNotFound"
            self.send_response(404)
            self.send_header("X-Error-Code", kind)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def send(self, content, kind, headers, with_content):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            for header, value in headers.items():
                self.send_header(header, value)
            self.end_headers()
            if with_content:
                self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
