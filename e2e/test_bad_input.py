"""What must be refused, in AWS's words, and leaves nothing half done."""
import errno
import io
import json
import os
import stat
import struct
import unittest
import urllib.error
import urllib.request
import zipfile

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import REGION, ROLE, Case, Server, pack, python_code, until

OK = "def handler(e, c):\n    return e\n"
UNZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


def archive(*entries):
    """A zip of (name, content, unix mode) entries, as they are."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(info, content)
    return out.getvalue()


FILE = stat.S_IFREG | 0o644


class Code(Case):
    def refused(self, code, words=None, kind="InvalidParameterValueException"):
        error = self.failure(kind, self.client.create_function, FunctionName="bad", Runtime="python3.11", Role=ROLE, Handler="a.b", Code={"ZipFile": code})
        if words:
            self.assertIn(words, error["Error"]["Message"])
        self.failure("ResourceNotFoundException", self.client.get_function, FunctionName="bad")
        return error

    def test_archives(self):
        good = pack({"lambda_function.py": OK})
        self.refused(b"not a zip at all", UNZIP)
        self.refused(b"", None, kind="InvalidParameterValueException")
        self.refused(good[:-30], UNZIP)
        self.refused(good[:60] + bytes([good[60] ^ 0xFF]) + good[61:], UNZIP)
        self.refused(archive(("../escape.py", "x", FILE)))
        self.refused(archive(("/absolute.py", "x", FILE)))
        self.refused(archive(("a/../../b", "x", FILE)))
        self.refused(archive(("out", "/etc/passwd", stat.S_IFLNK | 0o777)))
        self.refused(archive(("out", "../../etc/passwd", stat.S_IFLNK | 0o777)))
        self.refused(archive(("dev", "", stat.S_IFCHR | 0o666)))
        self.refused(archive(("pipe", "", stat.S_IFIFO | 0o666)))
        self.refused(archive(("same", "1", FILE), ("same", "2", FILE)))
        self.refused(archive(("x" * 300, "1", FILE)))

    def test_bombs(self):
        self.refused(archive(*((f"{n}", bytes(100 << 20), FILE) for n in range(3))), "Unzipped size must be smaller than 262144000 bytes")
        lying = bytearray(archive(("big", bytes(1 << 20), FILE)))
        at = lying.index(b"PK\x01\x02")
        lying[at + 24:at + 28] = struct.pack("<I", 10)
        self.refused(bytes(lying))
        many = io.BytesIO()
        with zipfile.ZipFile(many, "w") as z:
            for n in range(100_000):
                z.writestr(f"f{n}", b"")
        self.refused(many.getvalue())

    def test_links_inside_work(self):
        self.create("linked", archive(("lambda_function.py", "import other\ndef handler(e, c):\n    return other.x\n", FILE), ("other.py", "real.py", stat.S_IFLNK | 0o777), ("real.py", "x = 'linked'\n", FILE)))
        self.assertEqual("linked", self.invoke("linked")[0])

    def test_sizes(self):
        big = os.urandom(53 << 20)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
            z.writestr("big", big)
        error = self.failure("RequestEntityTooLargeException", self.client.create_function, FunctionName="bad", Runtime="python3.11", Role=ROLE, Handler="a.b", Code={"ZipFile": out.getvalue()})
        self.assertEqual((413, "Request must be smaller than 70167211 bytes for the CreateFunction operation"),
                         (error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"]))

    def test_constraints(self):
        loose = self.server.client(parameter_validation=False)

        def create(**change):
            args = {"FunctionName": "bad", "Runtime": "python3.11", "Role": ROLE, "Handler": "a.b", "Code": {"ZipFile": python_code(OK)}, **change}
            return loose.create_function(**args)
        for kind, words, change in [
            ("ValidationException", "1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: ", {"Role": "r1"}),
            ("ValidationException", "Value '5401' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to ", {"Timeout": 5401}),
            ("ValidationException", "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1", {"Timeout": 0}),
            ("ValidationException", "Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128", {"MemorySize": 64}),
            ("ValidationException", "2 validation errors detected: ", {"Timeout": 0, "MemorySize": 1}),
            ("InvalidParameterValueException", "at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64", {"FunctionName": "a" * 65}),
            ("InvalidParameterValueException", "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {\"LARGE\":", {"Environment": {"Variables": {"LARGE": "x" * 4096}}}),
            ("InvalidParameterValueException", "Reserved keys used in this request: AWS_REGION", {"Environment": {"Variables": {"AWS_REGION": "x"}}}),
        ]:
            error = self.failure(kind, create, **change)
            self.assertIn(words, error["Error"]["Message"])
        self.assertEqual([], [f for f in self.client.list_functions()["Functions"] if f["FunctionName"].startswith(("bad", "aaa"))])
        self.create("there", OK)
        error = self.failure("ResourceConflictException", create, FunctionName="there")
        self.assertEqual("Function already exist: there", error["Error"]["Message"])
        error = self.failure("InvalidParameterValueException", self.client.delete_function, FunctionName="there", Qualifier="$LATEST")
        self.assertEqual("$LATEST version cannot be deleted without deleting the function.", error["Error"]["Message"])


class Signatures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(dev=False).start()
        cls.addClassCleanup(cls.server.close)
        cls.credentials = Credentials(*cls.server.root_key())

    def ask(self, request):
        r = urllib.request.Request(request.url, data=request.data or None, headers=dict(request.headers), method=request.method)
        try:
            with urllib.request.urlopen(r) as response:
                return response.status, ""
        except urllib.error.HTTPError as e:
            return e.code, (e.headers.get("x-amzn-ErrorType") or "").split(":")[0]

    def signed(self, service="lambda", path="/2015-03-31/functions", data=b"", method="GET", auth=SigV4Auth, **more):
        request = AWSRequest(method, self.server.url + path, data=data)
        auth(self.credentials, service, REGION, **more).add_auth(request)
        return request

    def test_good_ones_pass(self):
        self.assertEqual((200, ""), self.ask(self.signed()))
        self.assertEqual((200, ""), self.ask(self.signed(auth=SigV4QueryAuth)))

    def test_bad_ones_do_not(self):
        unsigned = AWSRequest("GET", self.server.url + "/2015-03-31/functions")
        self.assertEqual((403, "MissingAuthenticationTokenException"), self.ask(unsigned))
        r = self.signed()
        authorization = r.headers["Authorization"]
        del r.headers["Authorization"]
        r.headers["Authorization"] = authorization[:-1] + ("0" if authorization[-1] != "0" else "1")
        self.assertEqual((403, "InvalidSignatureException"), self.ask(r))
        self.assertEqual(403, self.ask(self.signed(service="s3"))[0])
        r = self.signed()
        del r.headers["X-Amz-Date"]
        r.headers["X-Amz-Date"] = "20200101T000000Z"
        self.assertEqual(403, self.ask(r)[0])
        r = self.signed(path="/2015-03-31/functions?MaxItems=1")
        r.url = r.url.replace("MaxItems=1", "MaxItems=2")
        self.assertEqual((403, "InvalidSignatureException"), self.ask(r))
        r = self.signed(method="POST", data=b'{"a":1}')
        r.data = b'{"a":2}'
        self.assertEqual(403, self.ask(r)[0])
        r = self.signed(auth=SigV4QueryAuth)
        r.headers["Authorization"] = self.signed().headers["Authorization"]
        r.headers["X-Amz-Date"] = self.signed().headers["X-Amz-Date"]
        self.assertGreaterEqual(self.ask(r)[0], 400)
        self.assertGreaterEqual(self.ask(self.signed(auth=SigV4QueryAuth, expires=8 * 86400))[0], 400)
        stranger = Credentials("AKIAIOSFODNN7EXAMPLE", "x")
        r = AWSRequest("GET", self.server.url + "/2015-03-31/functions")
        SigV4Auth(stranger, "lambda", REGION).add_auth(r)
        self.assertEqual((403, "UnrecognizedClientException"), self.ask(r))
        r = AWSRequest("GET", self.server.url + "/lambent/deadletters")
        self.assertGreaterEqual(self.ask(r)[0], 400)
        self.assertEqual((200, ""), self.ask(AWSRequest("GET", self.server.url + "/lambent/openapi.json")))


class Disk(unittest.TestCase):
    """The data folder on a disk of 64 MB."""

    def test_a_full_disk(self):
        if os.geteuid() != 0:
            self.skipTest("not root: no private mount namespace")
        server = Server(wrap=["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mkdir -p "$0" && mount -t tmpfs -o size=64m,mode=700 tmpfs "$0" && exec "$@"'])
        server.wrap.append(server.data)
        self.addCleanup(server.close)
        server.start()
        inside = f"/proc/{server.process.pid}/root{server.data}"
        case = Case()
        case.server, case.client = server, server.client()
        case.create("echo", OK)
        case.create("cold", OK)
        case.client.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=1)
        case.invoke("echo", {})
        case.client.put_function_concurrency(FunctionName="cold", ReservedConcurrentExecutions=1)
        payload = json.dumps("x" * 500_000)
        filler = os.path.join(inside, "filler")
        with open(filler, "wb") as f:
            try:
                while True:
                    f.write(bytes(1 << 20))
                    f.flush()
            except OSError as e:
                self.assertEqual(errno.ENOSPC, e.errno)

        def refused():
            try:
                case.client.invoke(FunctionName="echo", InvocationType="Event", Payload='{"n": 1}')
            except case.client.exceptions.ClientError as e:
                return e.response
        refusal = until("an accept is refused", refused, 10)
        self.assertEqual(503, refusal["ResponseMetadata"]["HTTPStatusCode"], refusal)
        self.assertEqual("failing", server.health()["status"])
        self.assertIn("reason", server.health())
        self.assertEqual({"n": 1}, case.invoke("echo", {"n": 1})[0], "warm calls go on")
        self.assertEqual({"n": 1}, case.invoke("cold", {"n": 1})[0], "cold calls go on")
        os.remove(filler)

        def accepted():
            try:
                return case.client.invoke(FunctionName="echo", InvocationType="Event", Payload=payload)["StatusCode"] == 202
            except case.client.exceptions.ClientError:
                return False
        until("accepts again", accepted, 20)
        case.idle()
        self.assertEqual("ok", server.health()["status"])


if __name__ == "__main__":
    unittest.main()
