"""The program as a server that stays: questions go over one connection, and answers into memory."""
import atexit
import http.client
import json
import re
import subprocess
import urllib.parse

from tools import vecdelta as plain

NAME = "vecdelta serve"
CANNOT = {}
LIKE = "vecdelta"
HOW = "a process for every commit; questions to one server over one connection, answers in memory"
DERIVED = "cache"


class Tool(plain.Tool):
    connection = server = None

    def close(self):
        if self.server:
            self.server.kill()
            self.server.wait()

    def ask(self, path, **parameters):
        if self.connection is None:
            command = [plain.PROGRAM, "serve", self.repository, "--listen", "127.0.0.1:0"]
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.server = server
            atexit.register(self.close)
            lines = iter(server.stdout.readline, "")
            port = next(found[1] for found in (re.search(r"http://127\.0\.0\.1:(\d+)", line) for line in lines) if found)
            self.connection = http.client.HTTPConnection("127.0.0.1", int(port))
        self.connection.request("GET", f"{path}?{urllib.parse.urlencode(parameters)}")
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(body.decode())
        return body

    def one(self, epoch, key):
        found = self.ask(f"/v1/vectors/vectors/{urllib.parse.quote(key, safe='')}", at=self.revision(epoch))
        return bytes.fromhex(json.loads(found)["bits"])

    def table(self, epoch):
        import pyarrow as pa

        return pa.ipc.open_file(self.ask("/v1/export", at=self.revision(epoch), format="arrow")).read_all()
