"""Starts the real server, packs real functions and gives the real clients."""
import base64
import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import zipfile

import boto3
from botocore.config import Config

BINARY = os.environ["LAMBENT_TEST_BINARY"]
ROLE = "arn:aws:iam::000000000000:role/lambda"
REGION = "us-east-1"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, ask, seconds=60):
    """Waits until ask() is truthy and answers it; fails after a deadline."""
    deadline = time.monotonic() + seconds
    while True:
        got = ask()
        if got:
            return got
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def pack(files, executable=()):
    """A zip of {name: text or bytes}."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if name in executable else 0o100644) << 16
            z.writestr(info, content)
    return out.getvalue()


def python_code(text):
    return pack({"lambda_function.py": text})


class Server:
    """One lambent serve in a folder of its own."""

    def __init__(self, *args, dev=True, data=None, wrap=()):
        self.args, self.dev, self.wrap = args, dev, list(wrap)
        self.home = tempfile.mkdtemp(prefix="lambent-e2e-")
        self.data = data or os.path.join(self.home, "data")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.log_path = os.path.join(self.home, "server.log")

    def start(self, wait=True):
        command = self.wrap + [BINARY, "serve", "--listen", f"127.0.0.1:{self.port}", "--data", self.data]
        if self.dev:
            command.append("--dev")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command + list(self.args), stdout=log, stderr=log, start_new_session=True,
                                            env={"PATH": os.environ["PATH"], "HOME": self.home})
        if wait:
            until("the server is ready\n" + self.log(), self.ready, 30)
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
        return self.health().get("status") == "ok"

    def health(self):
        try:
            with urllib.request.urlopen(self.url + "/healthz", timeout=5) as r:
                return json.load(r)
        except urllib.error.HTTPError as e:
            return json.load(e)
        except OSError:
            return {}

    def log(self):
        with contextlib.suppress(FileNotFoundError), open(self.log_path, errors="replace") as f:
            return f.read()
        return ""

    def kill(self):
        """kill -9, as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=60):
        """SIGTERM; answers the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def client(self, service="lambda", key="test", secret="test", region=REGION, **config):
        options = {"read_timeout": 120, "retries": {"max_attempts": 0}, **config}
        return boto3.client(service, endpoint_url=self.url, region_name=region, aws_access_key_id=key,
                            aws_secret_access_key=secret, config=Config(**options))

    def root_key(self):
        """The access key and the secret that the first start made."""
        with open(os.path.join(self.data, "root-credentials")) as f:
            lines = dict(line.replace(" ", "").strip().split("=", 1) for line in f if "=" in line)
        return lines["aws_access_key_id"], lines["aws_secret_access_key"]

    def environment(self, key="test", secret="test"):
        return {"PATH": os.environ["PATH"], "HOME": self.home, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.url, "AWS_EC2_METADATA_DISABLED": "true"}

    def lambent(self, *args, status=0, stdin="", environment=None):
        """Runs Lambent's own CLI; answers its standard output."""
        return run([BINARY, *args], status, stdin, environment or self.environment())

    def lambent_json(self, *args):
        return json.loads(self.lambent(*args, "--output", "json"))

    def aws(self, *args, status=0):
        """Runs the aws CLI; answers its standard output."""
        cli = os.path.join(os.path.dirname(sys.executable), "aws")
        return run([sys.executable, cli, *args], status, "", self.environment())


def run(command, status, stdin, environment):
    p = subprocess.run(command, input=stdin, text=True, capture_output=True, env=environment, timeout=120)
    if p.returncode != status:
        raise AssertionError(f"{command} ended with {p.returncode}, not {status}:\n{p.stdout}\n{p.stderr}")
    return p.stdout


class Case(unittest.TestCase):
    """Cases that share one server. ARGS are its flags."""

    ARGS = ("--async-retry-delays", "100ms,200ms")

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.ARGS).start()
        cls.addClassCleanup(cls.server.close)
        cls.client = cls.server.client()

    def create(self, name, code, runtime="python3.11", handler="lambda_function.handler", client=None, **more):
        client = client or self.client
        if isinstance(code, str):
            code = python_code(code)
        made = client.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler, Code={"ZipFile": code}, **more)
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
        return made

    def invoke(self, name, payload=None, client=None, **more):
        """A synchronous call; answers (parsed payload, response)."""
        if payload is not None:
            more["Payload"] = payload if isinstance(payload, (bytes, str)) else json.dumps(payload)
        response = (client or self.client).invoke(FunctionName=name, **more)
        body = response["Payload"].read()
        return (json.loads(body) if body else None), response

    def tail(self, name, payload=None, **more):
        """A synchronous call; answers its log's tail."""
        _, response = self.invoke(name, payload, LogType="Tail", **more)
        return base64.b64decode(response["LogResult"]).decode()

    def send(self, name, payload, client=None, **more):
        """An asynchronous call; answers its request id."""
        response = (client or self.client).invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(payload), **more)
        self.assertEqual(202, response["StatusCode"])
        return response["ResponseMetadata"]["RequestId"]

    def letters(self, *filters, count=1, seconds=60):
        """Waits for that many dead letters and answers them."""
        def ask():
            got = self.server.lambent_json("deadletter", "list", *filters)["deadLetters"]
            return (got,) if len(got) >= count else None
        got, = until(f"{count} dead letters of {filters}", ask, seconds)
        self.assertEqual(count, len(got), got)
        return got

    def idle(self, seconds=60):
        until("nothing is queued", lambda: self.server.health().get("queueDepth") == 0, seconds)

    def failure(self, code, call, **args):
        """The call must fail with that AWS error code; answers the error's parts."""
        with self.assertRaises(self.client.exceptions.ClientError) as caught:
            call(**args)
        response = caught.exception.response
        self.assertEqual(code, response["Error"]["Code"], response)
        return response
