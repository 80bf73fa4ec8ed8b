"""Synchronous calls: outcomes, error documents, log lines, limits."""
import base64
import json
import re
import threading
import time
import unittest

from harness import Case, pack, until

MANY = '''
import ctypes, json, logging, os, signal, subprocess, sys, time
def handler(event, context):
    return globals()[event["do"]](event, context)
def raises(event, context):
    raise ValueError("no such order: 42")
def exits(event, context):
    os._exit(event.get("code", 1))
def killed(event, context):
    os.kill(os.getpid(), signal.SIGKILL)
def sleeps(event, context):
    print("BEGUN")
    time.sleep(event["seconds"])
    return "awake"
def stubborn(event, context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: time.sleep(1)
def eats(event, context):
    kept = []
    while True: kept.append(bytearray(1 << 20))
def prints(event, context):
    line = "x" * 1023
    for _ in range(event["kilobytes"]): print(line)
    return "printed"
def fills(event, context):
    written = 0
    try:
        with open("/tmp/big", "wb") as f:
            while written < event["megabytes"]:
                f.write(bytes(1 << 20)); f.flush(); written += 1
    except OSError as e:
        return {"errno": e.errno, "written": written}
    finally:
        if event.get("remove"): os.remove("/tmp/big")
    return {"written": written}
def big(event, context):
    return "x" * event["bytes"]
def nojson(event, context):
    return object()
def nothing(event, context):
    pass
def forks(event, context):
    n = 0
    try:
        while True:
            if os.fork() == 0:
                time.sleep(60); os._exit(0)
            n += 1
    except OSError as e:
        return {"children": n, "errno": e.errno}
def logs(event, context):
    logging.getLogger().warning("careful")
    print("plain")
    return context.aws_request_id
def context_(event, context):
    return {"client": context.client_context and context.client_context.custom, "left": context.get_remaining_time_in_millis(),
            "group": context.log_group_name, "stream": context.log_stream_name, "trace": os.environ.get("_X_AMZN_TRACE_ID")}
def twice(event, context):
    import http.client
    c = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    answers = []
    for body in '"first"', '"second"':
        c.request("POST", f"/2018-06-01/runtime/invocation/{event.get('id') or context.aws_request_id}/response", body)
        r = c.getresponse(); answers.append(r.status); r.read()
    return answers
count = 0
def counts(event, context):
    global count
    count += 1
    return count
def leaves(event, context):
    subprocess.Popen(["sleep", "1000"])
    return "left"
'''


class Invoke(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create(cls, "many", MANY, Timeout=20)
        cls.create(cls, "brief", MANY, Timeout=1)

    def do(self, what, function="many", **event):
        return self.invoke(function, {"do": what, **event})

    def failed(self, what, function="many", **event):
        answer, response = self.do(what, function, **event)
        self.assertEqual((200, "Unhandled"), (response["StatusCode"], response.get("FunctionError")), answer)
        return answer, response["ResponseMetadata"]["RequestId"]

    def test_an_exception(self):
        answer, request = self.failed("raises")
        self.assertEqual(("ValueError", "no such order: 42", request), (answer["errorType"], answer["errorMessage"], answer["requestId"]))
        self.assertIn("in raises", "".join(answer["stackTrace"]))

    def test_a_timeout(self):
        start = time.monotonic()
        answer, request = self.failed("sleeps", "brief", seconds=30)
        self.assertLess(time.monotonic() - start, 10)
        self.assertEqual({"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {request} Error: Task timed out after 1.00 seconds"}, answer)
        self.assertEqual("awake", self.do("sleeps", "brief", seconds=0)[0], "the next call meets a new environment")

    def test_a_process_that_ignores_sigterm(self):
        self.assertEqual("Sandbox.Timedout", self.failed("stubborn", "brief")[0]["errorType"])

    def test_exits(self):
        answer, request = self.failed("exits", code=3)
        self.assertEqual({"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request} Error: Runtime exited with error: exit status 3"}, answer)
        answer, request = self.failed("killed")
        self.assertEqual({"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request} Error: Runtime exited with error: signal: killed"}, answer)
        answer, request = self.failed("exits", code=0)
        self.assertEqual(f"RequestId: {request} Error: Runtime exited without providing a reason", answer["errorMessage"])

    def test_out_of_memory(self):
        answer, request = self.failed("eats")
        self.assertEqual("Runtime.OutOfMemory", answer["errorType"])
        self.assertIn(request, answer["errorMessage"])
        self.assertIsNone(self.do("nothing")[0])

    def test_temporary_storage(self):
        self.assertEqual({"written": 300}, self.do("fills", megabytes=300, remove=True)[0])
        self.assertEqual(28, self.do("fills", megabytes=700, remove=True)[0]["errno"])

    def test_forks_without_end(self):
        self.create("forks", MANY, Timeout=60, MemorySize=2048)
        answer, _ = self.do("forks", "forks")
        self.assertEqual(11, answer["errno"])
        self.assertLessEqual(answer["children"], 1024)
        self.assertGreater(answer["children"], 100)

    def test_answers(self):
        self.assertIsNone(self.do("nothing")[0])
        answer, response = self.do("big", bytes=6_000_000)
        self.assertEqual(6_000_000, len(answer))
        answer, _ = self.failed("big", bytes=7_000_000)
        self.assertEqual({"errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).", "errorType": "Function.ResponseSizeTooLarge"}, answer)
        answer, _ = self.failed("nojson")
        self.assertEqual("Runtime.MarshalError", answer["errorType"])
        self.assertIn("Unable to marshal response", answer["errorMessage"])

    def test_answers_twice(self):
        answer, _ = self.do("twice")
        self.assertEqual("first", answer)
        self.assertIsNone(self.do("nothing")[0])
        statuses, _ = self.do("twice", id="00000000-0000-4000-8000-000000000000")
        self.assertEqual([400, 400], statuses, "another environment's id")

    def test_environments_are_reused(self):
        self.create("reused", MANY)
        self.assertEqual([1, 2, 3], [self.do("counts", "reused")[0] for _ in range(3)])

    def test_processes_left_behind(self):
        self.assertEqual("left", self.do("leaves")[0])
        self.assertIsNone(self.do("nothing")[0])

    def test_log_lines(self):
        tail = self.tail("many", {"do": "logs"})
        request = re.search(r"START RequestId: (\S+) Version: \$LATEST\n", tail)[1]
        self.assertRegex(tail, rf"\[WARNING\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{request}\tcareful\n")
        self.assertIn("plain\n", tail)
        self.assertRegex(tail, rf"END RequestId: {request}\nREPORT RequestId: {request}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t")
        self.assertLess(tail.index("plain"), tail.index("END "))
        self.create("fresh", MANY)
        self.assertRegex(self.tail("fresh", {"do": "nothing"}), r"\tInit Duration: \d+\.\d\d ms\t\n")
        tail = self.tail("brief", {"do": "sleeps", "seconds": 9})
        self.assertRegex(tail, r"Task timed out after 1\.00 seconds")

    def test_a_flood_of_log(self):
        answer, response = self.invoke("many", {"do": "prints", "kilobytes": 100_000}, LogType="Tail")
        self.assertEqual("printed", answer)
        tail = base64.b64decode(response["LogResult"])
        self.assertEqual(4096, len(tail))
        self.assertIn(b"REPORT RequestId", tail)

    def test_context(self):
        given = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
        answer, _ = self.invoke("many", {"do": "context_"}, ClientContext=given)
        self.assertEqual({"k": "v"}, answer["client"])
        self.assertTrue(0 < answer["left"] <= 20_000)
        self.assertEqual("/aws/lambda/many", answer["group"])
        self.assertRegex(answer["stream"], r"^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$")
        self.assertTrue(answer["trace"].startswith("Root=1-"))

    def test_calls_side_by_side(self):
        self.do("nothing")
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.server.client().invoke(FunctionName="many", Payload='{"do": "sleeps", "seconds": 1}')["StatusCode"])) for _ in range(8)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        self.assertEqual([200] * 8, results)

    def test_reserved_concurrency(self):
        self.create("narrow", MANY, Timeout=30)
        self.client.put_function_concurrency(FunctionName="narrow", ReservedConcurrentExecutions=1)
        busy = threading.Thread(target=lambda: self.server.client().invoke(FunctionName="narrow", Payload='{"do": "sleeps", "seconds": 5}'))
        busy.start()
        until("it runs", lambda: "BEGUN" in self.server.lambent("logs", "narrow"))
        response = self.failure("TooManyRequestsException", self.client.invoke, FunctionName="narrow", Payload='{"do": "nothing"}')
        self.assertEqual((429, "ReservedFunctionConcurrentInvocationLimitExceeded"), (response["ResponseMetadata"]["HTTPStatusCode"], response["Reason"]))
        busy.join()
        self.assertIsNone(self.do("nothing", "narrow")[0])

    def test_dry_run(self):
        self.assertEqual(204, self.client.invoke(FunctionName="many", InvocationType="DryRun")["StatusCode"])
        self.failure("ResourceNotFoundException", self.client.invoke, FunctionName="nobody", InvocationType="DryRun")

    def test_payloads(self):
        self.create("echo", "def handler(e, c):\n    return e\n")
        self.assertEqual({}, self.invoke("echo")[0], "an empty body is an empty object")
        for bad in "{", "nope", '{"a": 1} x', b"\x87abc", "'single'":
            error = self.failure("InvalidRequestContentException", self.client.invoke, FunctionName="echo", Payload=bad)
            self.assertTrue(error["Error"]["Message"].startswith("Could not parse request body into json: Could not parse payload into json: "), error)
        for good in "null", "1", '"x"', "[1]":
            self.assertEqual(json.loads(good), self.invoke("echo", good)[0])
        # Two bytes over, in either direction.
        error = self.failure("RequestEntityTooLargeException", self.client.invoke, FunctionName="echo", Payload=json.dumps("x" * 6_291_560))
        self.assertEqual(413, error["ResponseMetadata"]["HTTPStatusCode"])
        error = self.failure("RequestEntityTooLargeException", self.client.invoke, FunctionName="echo", InvocationType="Event", Payload=json.dumps("x" * 1_048_576))
        self.assertEqual(413, error["ResponseMetadata"]["HTTPStatusCode"])


class Init(Case):
    def test_what_can_go_wrong_in_init(self):
        self.create("no-module", "x = 1\n", handler="missing.handler")
        answer, _ = self.invoke("no-module")
        self.assertEqual(("Runtime.ImportModuleError", "Unable to import module 'missing': No module named 'missing'"), (answer["errorType"], answer["errorMessage"]))
        self.create("no-handler", "x = 1\n")
        answer, _ = self.invoke("no-handler")
        self.assertEqual(("Runtime.HandlerNotFound", "Handler 'handler' missing on module 'lambda_function'"), (answer["errorType"], answer["errorMessage"]))
        self.create("bad-syntax", "def handler(:\n")
        self.assertEqual("Runtime.UserCodeSyntaxError", self.invoke("bad-syntax")[0]["errorType"])
        self.create("raises-in-init", "raise KeyError('settings')\n")
        answer, response = self.invoke("raises-in-init")
        self.assertEqual(("KeyError", "Unhandled"), (answer["errorType"], response["FunctionError"]))
        self.create("exits-in-init", "import os\nos._exit(7)\n")
        answer, _ = self.invoke("exits-in-init")
        self.assertEqual("Runtime.ExitError", answer["errorType"])
        self.assertIn("exit status 7", answer["errorMessage"])
        self.create("no-node-handler", pack({"index.js": "exports.other = 1;\n"}), "nodejs20.x", "index.handler")
        answer, _ = self.invoke("no-node-handler")
        self.assertEqual(("Runtime.HandlerNotFound", "index.handler is undefined or not exported"), (answer["errorType"], answer["errorMessage"]))
        self.create("no-bootstrap", pack({"readme": "nothing"}), "provided.al2023", "x")
        self.assertEqual("Runtime.InvalidEntrypoint", self.invoke("no-bootstrap")[0]["errorType"])

    def test_init_is_not_charged_to_the_timeout(self):
        self.create("slow-init", "import time\ntime.sleep(2)\ndef handler(e, c):\n    return c.get_remaining_time_in_millis()\n", Timeout=1)
        self.assertGreater(self.invoke("slow-init")[0], 500)


if __name__ == "__main__":
    unittest.main()
