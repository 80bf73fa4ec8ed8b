"""Lambent's runtime client for Python 3.6 and later.

It asks the Runtime API for events over one connection, a unix socket where there is one, and
sends each answer together with the request for the next event: one write and mostly one read an
invocation. What a function sees (handler names, context, error documents, log lines) is what it
sees on AWS. Imports are few: each costs at every cold start.
"""
import importlib
import json
import logging
import os
import sys
import time

import _socket

TASK_ROOT = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
LAYER_ROOT = "/opt"
JSON_LOGS = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
API = b"/2018-06-01/runtime/"
NEXT = b"GET " + API + b"invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"
AGENT = b"Host: runtime\r\nUser-Agent: lambent-python\r\n"


class Fault(Exception):
    """An error of the runtime's own vocabulary."""

    def __init__(self, kind, message, trace=None):
        Exception.__init__(self, message)
        self.kind = "Runtime." + kind
        self.message = message
        self.trace = trace or []


# --- the connection -----------------------------------------------------------------------------


class Connection:
    """One keep-alive HTTP/1.1 connection; replies are read in the order of the requests."""

    def __init__(self):
        self.sock = None
        self.rest = b""

    def connect(self):
        path = os.environ.get("LAMBENT_RUNTIME_SOCKET")
        if path:
            self.sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            self.sock.connect(path)
        else:
            host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
            info = _socket.getaddrinfo(host.encode(), int(port), 0, _socket.SOCK_STREAM)[0]
            self.sock = _socket.socket(info[0], _socket.SOCK_STREAM)
            self.sock.connect(info[4])
            self.sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self.rest = b""

    def send(self, data):
        if self.sock is None:
            self.connect()
        self.sock.sendall(data)

    def close(self):
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def receive(self):
        """Reads one reply: (status, headers with lower-case names, body)."""
        data = self.rest
        end = data.find(b"\r\n\r\n")
        while end < 0:
            part = self.sock.recv(65536)
            if not part:
                raise ConnectionError("the Runtime API closed the connection")
            data += part
            end = data.find(b"\r\n\r\n")
        lines = data[:end].decode("utf-8", "replace").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        start = end + 4
        need = start + int(headers.get("content-length", "0"))
        if len(data) < need:
            parts = [data]
            have = len(data)
            while have < need:
                part = self.sock.recv(min(need - have, 1 << 20))
                if not part:
                    raise ConnectionError("the Runtime API closed the connection")
                parts.append(part)
                have += len(part)
            data = b"".join(parts)
        self.rest = data[need:]
        return int(lines[0].split(" ", 2)[1]), headers, data[start:need]


def post(path, body, extra=b""):
    return (
        b"POST " + API + path + b" HTTP/1.1\r\n" + AGENT + extra
        + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    )


def header(name, value):
    if not value:
        return b""
    text = "".join(c if " " <= c <= "~" else "?" for c in value)
    return (name + ": " + text + "\r\n").encode()


# --- the context object -------------------------------------------------------------------------


class CognitoIdentity:
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]


class Client:
    __slots__ = [
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    ]


class ClientContext:
    __slots__ = ["custom", "env", "client"]


for _kind in (CognitoIdentity, Client, ClientContext):
    _kind.__repr__ = lambda self: "{}([{}])".format(
        type(self).__name__, ",".join("{}={}".format(n, getattr(self, n)) for n in self.__slots__)
    )


def fill(kind, values):
    if values is None:
        return None
    result = kind()
    for name in kind.__slots__:
        setattr(result, name, values.get(name))
    return result


class LambdaContext:
    def __init__(self, headers):
        env = os.environ.get
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.log_group_name = env("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = env("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = env("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = env("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.client_context = fill(ClientContext, parse(headers, "lambda-runtime-client-context", "Client Context"))
        if self.client_context is not None:
            self.client_context.client = fill(Client, self.client_context.client)
        identity = parse(headers, "lambda-runtime-cognito-identity", "Cognito Identity") or {}
        self.identity = CognitoIdentity()
        self.identity.cognito_identity_id = identity.get("cognitoIdentityId")
        self.identity.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")
        self._epoch_deadline_time_in_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self):
        return max(self._epoch_deadline_time_in_ms - int(time.time() * 1000), 0)

    def log(self, msg):
        sys.stdout.write(str(msg))

    def __repr__(self):
        names = (
            "aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
            "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id",
        )
        return "LambdaContext([{}])".format(",".join("{}={}".format(n, getattr(self, n)) for n in names))


def parse(headers, name, what):
    text = headers.get(name)
    if not text:
        return None
    try:
        return json.loads(text)
    except Exception as e:
        raise Fault("LambdaContextUnmarshalError", "Unable to parse {} JSON: {}".format(what, e))


# --- JSON ---------------------------------------------------------------------------------------

_mark = None  # stands before a number that json can't write; made when first needed


def encode_other(value):
    """Writes a Decimal as the number that it is, by way of a string that is unquoted later."""
    global _mark
    decimal = sys.modules.get("decimal")
    if decimal is None or not isinstance(value, decimal.Decimal):
        raise TypeError("Object of type {} is not JSON serializable".format(type(value).__name__))
    if value.is_nan():
        return float("nan")
    if _mark is None:
        _mark = "decimal:" + os.urandom(16).hex() + ":"
    return _mark + str(value)


# Python 3.12 on AWS writes characters as they are, earlier ones escape them.
_encoder = json.JSONEncoder(ensure_ascii=sys.version_info < (3, 12), default=encode_other)


def to_json(value):
    text = _encoder.encode(value)
    if _mark is not None and _mark in text:
        import re

        text = re.sub('"' + _mark + '([^"]*)"', r"\1", text)
    return text.encode("utf-8", "surrogatepass")


# --- errors and logs ----------------------------------------------------------------------------

_request_id = None


def make_error(message, kind, trace, request_id=""):
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


def describe(request_id=""):
    """Describes the exception being handled, without this file's own frames."""
    import traceback

    kind, value, tb = sys.exc_info()
    if isinstance(value, Fault):
        return make_error(value.message, value.kind, value.trace, request_id)
    frames = traceback.extract_tb(tb)
    own = 0
    while own < len(frames) - 1 and (frames[own].filename == __file__ or "importlib" in frames[own].filename):
        own += 1
    if own < len(frames) and frames[own].filename == __file__:
        own += 1
    return make_error(str(value), kind.__name__, traceback.format_list(frames[own:]), request_id)


def timestamp(now):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".{:03d}Z".format(int(now * 1000) % 1000)


def log_error(error):
    if JSON_LOGS:
        line = {"timestamp": timestamp(time.time()), "level": "ERROR"}
        line.update(error)
        sys.stdout.write(to_json(line).decode("utf-8", "replace") + "\n")
        return
    head = "[ERROR]"
    if error["errorType"]:
        head += " " + error["errorType"] + (":" if error["errorMessage"] else "")
    if error["errorMessage"]:
        head += " " + error["errorMessage"]
    lines = [head, "Traceback (most recent call last):"]
    for element in error["stackTrace"]:
        for line in element.splitlines() or [""]:
            text = line.lstrip(" ")
            lines.append("\u00a0" * (len(line) - len(text)) + text)
    # One event of the log: its inner lines end with a carriage return, as on AWS.
    sys.stdout.write("\r".join(lines) + "\n")


class LogHandler(logging.Handler):
    def emit(self, record):
        try:
            sys.stdout.write(self.format(record))
        except Exception:
            self.handleError(record)


class LogFilter(logging.Filter):
    def filter(self, record):
        record.aws_request_id = _request_id or ""
        return True


RESERVED = frozenset(
    "name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created "
    "msecs relativeCreated thread threadName processName process taskName aws_request_id".split()
)


class JsonFormatter(logging.Formatter):
    def format(self, record):
        line = {
            "timestamp": timestamp(record.created),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            import traceback

            line["stackTrace"] = traceback.format_tb(record.exc_info[2])
            line["errorType"] = record.exc_info[0].__name__
            line["errorMessage"] = str(record.exc_info[1])
            line["location"] = "{}:{}:{}".format(record.pathname, record.funcName, record.lineno)
        line["requestId"] = getattr(record, "aws_request_id", "")
        for name, value in record.__dict__.items():
            if name not in RESERVED and name not in line and value is not None:
                line[name] = value
        return json.dumps(line, ensure_ascii=False, default=str) + "\n"


def set_up_logging():
    logging.Formatter.converter = time.gmtime
    handler = LogHandler()
    if JSON_LOGS:
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(
            logging.Formatter(
                "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"
            )
        )
    handler.addFilter(LogFilter())
    root = logging.getLogger()
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = {"TRACE": "DEBUG", "FATAL": "CRITICAL", "WARN": "WARNING"}.get(level, level)
    if level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        root.setLevel(level)
    root.addHandler(handler)


def set_up_streams():
    """Makes what a function prints UTF-8, whatever the locale. Python's -u made it unbuffered."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
        else:
            import io

            setattr(sys, name, io.TextIOWrapper(stream.detach(), "utf-8", "replace", write_through=True))


# --- the handler --------------------------------------------------------------------------------


def set_up_path():
    version = "python{}.{}".format(*sys.version_info[:2])
    own = os.path.dirname(os.path.abspath(__file__))
    rest = [p for p in sys.path if os.path.abspath(p) != own]
    layers = [
        os.path.join(LAYER_ROOT, "python", "lib", version, "site-packages"),
        os.path.join(LAYER_ROOT, "python"),
    ]
    sys.path[:] = [TASK_ROOT] + [p for p in layers if os.path.isdir(p)] + rest


def find_handler(name):
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise Fault("MalformedHandlerName", "Bad handler '{}': not enough values to unpack (expected 2, got 1)".format(name))
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("BuiltInModuleConflict", "Cannot use built-in module {} as a handler module".format(module_name))
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as e:
        raise Fault("ImportModuleError", "Unable to import module '{}': {}".format(module_name, e))
    except SyntaxError as e:
        trace = ['  File "{}" Line {}\n    {}'.format(e.filename, e.lineno, e.text)]
        raise Fault("UserCodeSyntaxError", "Syntax error in module '{}': {}".format(module_name, e), trace)
    try:
        return getattr(module, function)
    except AttributeError:
        raise Fault("HandlerNotFound", "Handler '{}' missing on module '{}'".format(function, module_name))


def run_handler(handler, headers, body):
    """Runs the function once. Answers (path suffix, extra headers, body)."""
    try:
        context = LambdaContext(headers)
        try:
            event = json.loads(body)
        except Exception as e:
            raise Fault("UnmarshalError", "Unable to unmarshal input: {}".format(e))
        result = handler(event, context)
        if isinstance(result, bytes):
            return b"/response", b"Content-Type: application/unknown\r\n", result
        try:
            return b"/response", b"Content-Type: application/json\r\n", to_json(result)
        except Exception as e:
            raise Fault("MarshalError", "Unable to marshal response: {}".format(e))
    except Exception:
        error = describe(headers["lambda-runtime-aws-request-id"])
    log_error(error)
    kind = header("Lambda-Runtime-Function-Error-Type", error["errorType"])
    return b"/error", b"Content-Type: application/json\r\n" + kind, to_json(error)


def serve(connection, handler):
    """Answers events for ever."""
    global _request_id
    connection.send(NEXT)
    while True:
        status, headers, body = connection.receive()
        if status != 200:
            raise ConnectionError("the Runtime API answered {}: {}".format(status, body.decode("utf-8", "replace")))
        _request_id = headers["lambda-runtime-aws-request-id"]
        trace = headers.get("lambda-runtime-trace-id")
        if trace:
            os.environ["_X_AMZN_TRACE_ID"] = trace
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        suffix, extra, answer = run_handler(handler, headers, body)
        extra += header("Lambda-Runtime-Invocation-Id", headers.get("lambda-runtime-invocation-id"))
        request = post(b"invocation/" + _request_id.encode() + suffix, answer, extra)
        try:
            connection.send(request + NEXT)
            connection.receive()
        except OSError:
            # The answer was refused half way (it is too large): begin anew.
            connection.close()
            connection.send(NEXT)


def main():
    set_up_streams()
    set_up_path()
    set_up_logging()
    connection = Connection()
    try:
        handler = find_handler(os.environ.get("_HANDLER", ""))
    except Exception:
        error = describe()
        log_error(error)
        kind = header("Lambda-Runtime-Function-Error-Type", error["errorType"])
        connection.send(post(b"init/error", to_json(error), b"Content-Type: application/json\r\n" + kind))
        connection.receive()
        sys.exit(1)
    serve(connection, handler)


if __name__ == "__main__":
    main()
