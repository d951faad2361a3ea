"""An OTLP/HTTP receiver that shares no code with us: PyPI's opentelemetry-proto, generated from the specification.

Prints its port, which may be given, then one line of JSON per request: the path, the headers, the request as protobuf's
own JSON mapping.
What it answers depends on the path: /v1/logs takes everything, /partial refuses one record without naming it, /busy
answers 503 once, /poison refuses any request with a record whose body is "record <2>", /mute answers no protobuf.
"""

import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    busy = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportLogsServiceRequest.FromString(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = {"path": self.path, "headers": headers, "request": MessageToDict(request)}
        print(json.dumps(seen), flush=True)
        bodies = [
            record.body.string_value
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
        answer = ExportLogsServiceResponse()
        if self.path == "/busy" and Receiver.busy:
            Receiver.busy = False
            return self.reply(503, b"", retry_after="1")
        if self.path == "/poison" and "record <2>" in bodies:
            return self.reply(400, b"")
        if self.path == "/mute":
            return self.reply(200, b"<ok/>")
        if self.path == "/partial":
            answer.partial_success.rejected_log_records = 1
            answer.partial_success.error_message = "one was too old"
        return self.reply(200, answer.SerializeToString())

    def reply(self, status, body, retry_after=None):
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(body)))
        if retry_after:
            self.send_header("retry-after", retry_after)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
