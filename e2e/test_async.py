"""Asynchronous calls: accepted, tried again, given up, corrected, run again."""
import json
import threading
import time
import unittest

from harness import Case, Server, until

# Writes one line an attempt to the log and fails as the event says.
FAILS = '''
def handler(event, context):
    print("ATTEMPT", context.aws_request_id, event.get("n"))
    if event.get("fail"):
        raise ValueError("cannot handle %s" % event["fail"])
    return {"done": event.get("n")}
'''
RECORDS = "import json\ndef handler(event, context):\n    print('RECORD ' + json.dumps(event))\n"


class Async(Case):
    def attempts(self, function, request):
        return sum(f"ATTEMPT {request}" in line for line in self.server.lambent("logs", function).splitlines())

    def records(self, function, count=1):
        def ask():
            lines = [line.split("RECORD ", 1)[1] for line in self.server.lambent("logs", function).splitlines() if "RECORD " in line]
            return [json.loads(line) for line in lines] if len(lines) >= count else None
        return until(f"{count} records of {function}", ask)

    def test_an_event_runs_once(self):
        self.create("once", FAILS)
        request = self.send("once", {"n": 1})
        self.idle()
        self.assertEqual(1, self.attempts("once", request))

    def test_a_failing_event_is_tried_three_times_and_kept(self):
        self.create("thrice", FAILS, MemorySize=192, Timeout=5)
        payload = '{"n": 1,  "fail": "it \\u00e4"}'
        response = self.client.invoke(FunctionName="thrice", InvocationType="Event", Payload=payload)
        request = response["ResponseMetadata"]["RequestId"]
        self.assertEqual(b"", response["Payload"].read())
        letter, = self.letters("--function", "thrice")
        self.assertEqual(3, self.attempts("thrice", request))
        self.assertEqual((request, "RetriesExhausted", "ValueError", "cannot handle it ä", 3),
                         tuple(letter[k] for k in ("requestId", "condition", "errorType", "errorMessage", "attemptCount")))
        whole = self.server.lambent_json("deadletter", "show", letter["id"])
        self.assertEqual(payload, whole["payload"], "byte for byte")
        self.assertEqual([1, 2, 3], [a["number"] for a in whole["attempts"]])
        for attempt in whole["attempts"]:
            self.assertEqual(("$LATEST", "error", "ValueError", 192, 5), tuple(attempt[k] for k in ("version", "status", "errorType", "memorySizeMB", "timeoutSeconds")))
            self.assertIn("in handler", "".join(attempt["stackTrace"]))
            self.assertIn(f"ATTEMPT {request} 1", attempt["logTail"])
            self.assertGreater(attempt["maxMemoryUsedMB"], 0)
        starts = [a["startedAt"] for a in whole["attempts"]]
        self.assertEqual(sorted(starts), starts)

    def test_found_corrected_and_run_again(self):
        self.create("story", FAILS)
        self.client.put_function_event_invoke_config(FunctionName="story", MaximumRetryAttempts=0)
        for n in range(4):
            self.send("story", {"n": n, "fail": f"order {n}"})
        self.send("story", {"n": 9, "fail": "thing"})
        letters = self.letters("--function", "story", count=5)
        groups = self.server.lambent_json("deadletter", "groups", "--function", "story")["groups"]
        self.assertEqual([1, 4], sorted(g["count"] for g in groups))
        big = next(g for g in groups if g["count"] == 4)
        self.assertEqual(4, len(self.letters("--function", "story", "--fingerprint", big["fingerprint"], count=4)))
        self.letters("--function", "story", "--text", "thing", count=1)
        one = letters[0]["id"]
        self.server.lambent("deadletter", "edit", one, "--patch", '{"fail": null}')
        edited = self.server.lambent_json("deadletter", "show", one)
        self.assertNotIn("fail", json.loads(edited["payload"]))
        self.assertIn("fail", json.loads(edited["provenance"]["edits"][0]["payload"]))
        dry = self.server.lambent_json("deadletter", "redrive", "--function", "story", "--dry-run")
        self.assertEqual((5, 0, True), (dry["matched"], dry["moved"], dry["dryRun"]))
        job = self.server.lambent_json("deadletter", "redrive", one, "--wait")
        self.assertEqual(("completed", 1, 1, 0), tuple(job[k] for k in ("state", "matched", "moved", "failed")))
        self.idle()
        self.letters("--function", "story", count=4)
        job = self.server.lambent_json("deadletter", "redrive", "--function", "story", "--payload-patch", '{"fail": "again"}', "--wait")
        self.assertEqual(4, job["moved"])
        self.idle()
        again = self.letters("--function", "story", count=4)
        whole = self.server.lambent_json("deadletter", "show", again[0]["id"])
        self.assertEqual(job["id"], whole["provenance"]["redriveJob"])
        self.assertTrue(whole["provenance"]["redrivenFrom"])
        self.assertGreaterEqual(len(whole["attempts"]), 2, "the whole history")
        job = self.server.lambent_json("deadletter", "redrive", "--function", "story", "--payload-patch", '{"fail": null}', "--wait")
        self.idle()
        self.letters("--function", "story", count=0)
        self.assertIn(job["id"], [j["id"] for j in self.server.lambent_json("deadletter", "jobs")["jobs"]])
        self.server.lambent("deadletter", "redrive", status=2)

    def test_redrive_to_another_version(self):
        self.create("fixed", FAILS)
        self.client.put_function_event_invoke_config(FunctionName="fixed", MaximumRetryAttempts=0)
        self.send("fixed", {"n": 5, "fail": "now"})
        self.letters("--function", "fixed")
        from harness import python_code
        self.client.update_function_code(FunctionName="fixed", ZipFile=python_code("def handler(e, c):\n    print('RECORD', '\"%s\"' % c.function_version)\n"), Publish=True)
        self.server.lambent("deadletter", "redrive", "--all", "--to", "nowhere", status=1)
        self.server.lambent("deadletter", "redrive", "--function", "fixed", "--to", "1", "--wait")
        self.assertEqual(["1"], self.records("fixed"))
        self.letters("--function", "fixed", count=0)

    def test_purge(self):
        self.create("purged", FAILS)
        self.client.put_function_event_invoke_config(FunctionName="purged", MaximumRetryAttempts=0)
        self.send("purged", {"fail": "x"})
        self.letters("--function", "purged")
        self.server.lambent("deadletter", "purge", "--function", "purged", status=2)
        self.server.lambent("deadletter", "purge", "--function", "purged", "--yes")
        until("purged", lambda: not self.server.lambent_json("deadletter", "list", "--function", "purged")["deadLetters"])

    def test_zero_reserved_concurrency(self):
        self.create("off", FAILS)
        self.client.put_function_concurrency(FunctionName="off", ReservedConcurrentExecutions=0)
        self.send("off", {"n": 1})
        letter, = self.letters("--function", "off")
        self.assertEqual(("ZeroReservedConcurrency", 0), (letter["condition"], letter["attemptCount"]))

    def test_a_deleted_function(self):
        self.create("doomed", FAILS)
        self.client.put_function_event_invoke_config(FunctionName="doomed", MaximumRetryAttempts=2)
        slow = Server("--async-retry-delays", "3s").start()
        self.addCleanup(slow.close)
        client = slow.client()
        self.create("doomed", FAILS, client=client)
        self.send("doomed", {"fail": "x"}, client=client)
        until("the first attempt", lambda: "ATTEMPT" in slow.lambent("logs", "doomed"))
        client.delete_function(FunctionName="doomed")
        got = until("a letter", lambda: slow.lambent_json("deadletter", "list")["deadLetters"])
        self.assertEqual("FunctionNotFound", got[0]["condition"])

    def test_event_age(self):
        server = Server("--async-retry-delays", "2m").start()
        self.addCleanup(server.close)
        client = server.client()
        self.create("aged", FAILS, client=client)
        client.put_function_event_invoke_config(FunctionName="aged", MaximumEventAgeInSeconds=60)
        self.send("aged", {"fail": "x"}, client=client)
        got = until("a letter, looking ahead", lambda: server.lambent_json("deadletter", "list")["deadLetters"], 20)
        self.assertEqual(("EventAgeExceeded", 1), (got[0]["condition"], got[0]["attemptCount"]))

    def test_late_resolution_of_aliases(self):
        server = Server("--async-retry-delays", "2s").start()
        self.addCleanup(server.close)
        client = server.client()
        self.create("late", FAILS, client=client, Publish=True)
        client.create_alias(FunctionName="late", Name="live", FunctionVersion="1")
        request = self.send("late", {"fail": "x"}, client=client, Qualifier="live")
        until("the first attempt", lambda: "ATTEMPT" in server.lambent("logs", "late"))
        from harness import python_code
        client.update_function_code(FunctionName="late", ZipFile=python_code("def handler(e, c):\n    print('VERSION', c.function_version, c.aws_request_id)\n"), Publish=True)
        client.update_alias(FunctionName="late", Name="live", FunctionVersion="2")
        until("the second version", lambda: f"VERSION 2 {request}" in server.lambent("logs", "late"), 20)

    def test_destinations(self):
        arn = self.create("record", RECORDS)["FunctionArn"]
        mine = self.create("source", FAILS)["FunctionArn"]
        self.client.put_function_event_invoke_config(FunctionName="source", MaximumRetryAttempts=1, DestinationConfig={"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}})
        good = self.send("source", {"n": 1})
        record, = self.records("record")
        self.assertRegex(record.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual({"version": "1.0", "requestContext": {"requestId": good, "functionArn": mine + ":$LATEST", "condition": "Success", "approximateInvokeCount": 1},
                          "requestPayload": {"n": 1}, "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"}, "responsePayload": {"done": 1}}, record)
        bad = self.send("source", {"fail": "that"})
        record = self.records("record", 2)[1]
        self.assertEqual({"requestId": bad, "functionArn": mine + ":$LATEST", "condition": "RetriesExhausted", "approximateInvokeCount": 2}, record["requestContext"])
        self.assertEqual({"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}, record["responseContext"])
        self.assertEqual("cannot handle that", record["responsePayload"]["errorMessage"])
        self.letters("--function", "source", count=1)

    def test_a_destination_that_does_not_exist_yet(self):
        queue = "arn:aws:sqs:us-east-1:000000000000:dead"
        self.create("to-queue", FAILS, DeadLetterConfig={"TargetArn": queue})
        self.assertEqual(queue, self.client.get_function_configuration(FunctionName="to-queue")["DeadLetterConfig"]["TargetArn"])
        self.send("to-queue", {"fail": "x"})
        letter, = self.letters("--function", "to-queue")
        self.assertEqual("DestinationFailed", letter["condition"])
        self.assertIn(queue, json.dumps(self.server.lambent_json("deadletter", "show", letter["id"])))
        self.create("success-to-queue", FAILS)
        self.client.put_function_event_invoke_config(FunctionName="success-to-queue", DestinationConfig={"OnSuccess": {"Destination": queue}})
        self.send("success-to-queue", {"n": 1})
        letter, = self.letters("--function", "success-to-queue")
        self.assertEqual("DestinationFailed", letter["condition"])


class KillMinusNine(unittest.TestCase):
    """A thousand accepted events and ten kills: none lost, none multiplied."""

    EVENTS, KILLS = 1000, 10

    def test_none_is_lost(self):
        server = Server("--async-retry-delays", "100ms,200ms")
        self.addCleanup(server.close)
        server.start()
        client = server.client()
        case = Case()
        case.client, case.server = client, server
        case.create("counted", FAILS)
        accepted = []
        stop = threading.Event()

        def produce():
            while len(accepted) < self.EVENTS and not stop.is_set():
                try:
                    response = client.invoke(FunctionName="counted", InvocationType="Event", Payload=json.dumps({"n": len(accepted)}))
                    accepted.append(response["ResponseMetadata"]["RequestId"])
                except Exception:  # the server is down just now: an event without a 202 is not accepted
                    stop.wait(0.01)

        producer = threading.Thread(target=produce)
        producer.start()
        self.addCleanup(stop.set)
        for kill in range(1, self.KILLS + 1):
            goal = kill * self.EVENTS // (self.KILLS + 1)
            until(f"{goal} accepted", lambda: len(accepted) >= goal, 120)
            server.kill()
            server.start()
        producer.join()
        until("the queue is empty", lambda: server.health().get("queueDepth") == 0, 120)
        runs = {}
        for line in server.lambent("logs", "counted").splitlines():
            if "ATTEMPT " in line:
                request = line.split("ATTEMPT ", 1)[1].split()[0]
                runs[request] = runs.get(request, 0) + 1
        lost = [r for r in accepted if r not in runs]
        print(f"accepted {len(accepted)}, executed {len(runs)}, more than once {sum(n > 1 for n in runs.values())}, lost {len(lost)}")
        self.assertEqual([], lost)
        self.assertLessEqual(max(runs.values()), self.KILLS + 1)
        self.assertLessEqual(sum(runs.values()) - len(runs), self.KILLS * 64, "repeated more than what was in flight at the kills")


class Drain(unittest.TestCase):
    def test_sigterm_lets_running_work_end(self):
        server = Server().start()
        self.addCleanup(server.close)
        case = Case()
        case.client, case.server = server.client(), server
        case.create("slow", "import time\ndef handler(e, c):\n    print('BEGUN')\n    time.sleep(2)\n    return 'ended'\n", Timeout=30)
        got = []
        call = threading.Thread(target=lambda: got.append(case.invoke("slow", {})[0]))
        call.start()
        until("it runs", lambda: "BEGUN" in server.lambent("logs", "slow"))
        self.assertEqual(0, server.stop())
        call.join()
        self.assertEqual(["ended"], got)

    def test_a_second_sigterm_is_immediate_and_safe(self):
        server = Server("--drain-timeout", "60s").start()
        self.addCleanup(server.close)
        case = Case()
        case.client, case.server = server.client(), server
        case.create("slower", "import time\ndef handler(e, c):\n    print('BEGUN')\n    time.sleep(e['s'])\n", Timeout=60)
        case.send("slower", {"s": 50})
        until("it runs", lambda: "BEGUN" in server.lambent("logs", "slower"))
        server.process.terminate()
        until("it drains", lambda: "drain" in server.log())
        start = time.monotonic()
        server.process.terminate()
        server.process.wait(10)
        self.assertLess(time.monotonic() - start, 5)
        server.start()
        self.assertEqual(1, server.health()["queueDepth"], "the event is still there")


if __name__ == "__main__":
    unittest.main()
