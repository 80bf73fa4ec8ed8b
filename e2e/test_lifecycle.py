"""Functions from creation to deletion, as boto3 sees them."""
import io
import json
import re
import unittest
import urllib.request
import zipfile

from harness import ROLE, Case, pack, python_code

ECHO = "def handler(event, context):\n    return {'got': event, 'version': context.function_version, 'arn': context.invoked_function_arn}\n"
NODE = "exports.handler = async (event, context) => ({ got: event, version: context.functionVersion, left: context.getRemainingTimeInMillis() > 0 });\n"


class Lifecycle(Case):
    def test_a_python_function_lives(self):
        made = self.create("life", ECHO)
        arn = "arn:aws:lambda:us-east-1:000000000000:function:life"
        self.assertEqual((arn, "$LATEST", "Pending", "Creating"), (made["FunctionArn"], made["Version"], made["State"], made["StateReasonCode"]))
        self.assertNotIn("LastUpdateStatus", made)
        self.assertNotIn("Environment", made)
        self.assertRegex(made["LastModified"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$")
        got = self.client.get_function(FunctionName="life")
        conf = got["Configuration"]
        self.assertEqual(("Active", "Successful", 3, 128), (conf["State"], conf["LastUpdateStatus"], conf["Timeout"], conf["MemorySize"]))
        self.assertNotEqual(made["RevisionId"], conf["RevisionId"])
        self.assertEqual({"Size": 512}, conf["EphemeralStorage"])
        self.assertNotIn("Tags", got)
        with urllib.request.urlopen(got["Code"]["Location"]) as r:
            self.assertIn("lambda_function.py", zipfile.ZipFile(io.BytesIO(r.read())).namelist())

        answer, response = self.invoke("life", {"a": [1, 2.50, "ä"]})
        self.assertEqual({"got": {"a": [1, 2.5, "ä"]}, "version": "$LATEST", "arn": arn}, answer)
        self.assertEqual((200, "$LATEST"), (response["StatusCode"], response["ExecutedVersion"]))
        self.assertNotIn("FunctionError", response)

        one = self.client.publish_version(FunctionName="life", Description="first")
        self.assertEqual(("1", arn + ":1"), (one["Version"], one["FunctionArn"]))
        self.assertEqual("1", self.client.publish_version(FunctionName="life")["Version"], "nothing changed, nothing published")
        self.client.update_function_code(FunctionName="life", ZipFile=python_code("def handler(e, c):\n    return 'two'\n"))
        self.client.get_waiter("function_updated_v2").wait(FunctionName="life", WaiterConfig={"Delay": 0.05})
        self.assertEqual("2", self.client.publish_version(FunctionName="life")["Version"])
        alias = self.client.create_alias(FunctionName="life", Name="live", FunctionVersion="1")
        self.assertEqual(arn + ":live", alias["AliasArn"])
        answer, response = self.invoke("life", {}, Qualifier="live")
        self.assertEqual(("1", "1", arn + ":live"), (response["ExecutedVersion"], answer["version"], answer["arn"]))
        self.client.update_alias(FunctionName="life", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
        self.assertEqual("two", self.invoke("life:live", {})[0])
        self.client.update_alias(FunctionName="life", Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}})
        self.assertEqual("2", self.invoke(arn + ":live", {})[1]["ExecutedVersion"])
        self.assertEqual(["$LATEST", "1", "2"], [v["Version"] for v in self.client.list_versions_by_function(FunctionName="life")["Versions"]])
        self.assertEqual(["live"], [a["Name"] for a in self.client.list_aliases(FunctionName="life")["Aliases"]])
        self.failure("ResourceConflictException", self.client.delete_function, FunctionName="life", Qualifier="2")
        self.client.delete_alias(FunctionName="life", Name="live")
        self.client.delete_function(FunctionName="life", Qualifier="2")
        self.client.delete_function(FunctionName="life")
        missing = self.failure("ResourceNotFoundException", self.client.get_function, FunctionName="life")
        self.assertEqual(f"Function not found: {arn}", missing["Error"]["Message"])
        self.assertEqual(404, missing["ResponseMetadata"]["HTTPStatusCode"])

    def test_a_node_function_lives(self):
        self.create("node", pack({"index.js": NODE}), "nodejs20.x", "index.handler")
        answer, _ = self.invoke("node", {"n": 1})
        self.assertEqual({"got": {"n": 1}, "version": "$LATEST", "left": True}, answer)
        self.create("node-module", pack({"index.mjs": "export const handler = async (e) => { throw new TypeError('no ' + e.what); };\n"}), "nodejs22.x", "index.handler")
        answer, response = self.invoke("node-module", {"what": "way"})
        self.assertEqual("Unhandled", response["FunctionError"])
        self.assertEqual(("TypeError", "no way"), (answer["errorType"], answer["errorMessage"]))
        self.assertIsInstance(answer["trace"], list)

    def test_a_bootstrap_script_lives(self):
        script = """#!/bin/sh
while true; do
  headers=$(mktemp)
  event=$(curl -sS -D "$headers" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
  id=$(grep -i lambda-runtime-aws-request-id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS -o /dev/null -d "{\\"echo\\": $event, \\"handler\\": \\"$_HANDLER\\"}" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response"
done
"""
        self.create("shell", pack({"bootstrap": script}, executable={"bootstrap"}), "provided.al2023", "free.text")
        for n in range(3):
            self.assertEqual({"echo": {"n": n}, "handler": "free.text"}, self.invoke("shell", {"n": n})[0])

    def test_settings_reach_the_function(self):
        code = "import os\ndef handler(event, context):\n    return {'env': dict(os.environ), 'memory': context.memory_limit_in_mb, 'cwd': os.getcwd(), 'uid': os.getuid()}\n"
        self.create("settings", code, MemorySize=256, Environment={"Variables": {"COLOUR": "blue"}}, Timeout=7)
        answer, _ = self.invoke("settings")
        env = answer["env"]
        self.assertEqual("blue", env["COLOUR"])
        for name, value in {"AWS_LAMBDA_FUNCTION_NAME": "settings", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                            "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "LAMBDA_TASK_ROOT": "/var/task", "TZ": ":UTC",
                            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11", "_HANDLER": "lambda_function.handler",
                            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/settings"}.items():
            self.assertEqual(value, env.get(name), name)
        self.assertEqual(("256", "/var/task"), (str(answer["memory"]), answer["cwd"]))
        self.assertNotEqual(0, answer["uid"])
        self.client.update_function_configuration(FunctionName="settings", Environment={"Variables": {}})
        self.client.get_waiter("function_updated_v2").wait(FunctionName="settings", WaiterConfig={"Delay": 0.05})
        self.assertNotIn("COLOUR", self.invoke("settings")[0]["env"], "an old environment was reused")

    def test_revisions(self):
        self.create("revised", ECHO)
        stale = self.client.get_function_configuration(FunctionName="revised")["RevisionId"]
        self.client.update_function_configuration(FunctionName="revised", Description="new", RevisionId=stale)
        error = self.failure("PreconditionFailedException", self.client.update_function_configuration, FunctionName="revised", Description="x", RevisionId=stale)
        self.assertEqual(412, error["ResponseMetadata"]["HTTPStatusCode"])
        self.assertEqual("new", self.client.get_function_configuration(FunctionName="revised")["Description"])

    def test_names_and_qualifiers(self):
        arn = self.create("named", ECHO)["FunctionArn"]
        for name in "named", "000000000000:function:named", arn, arn + ":$LATEST", "named:$LATEST":
            self.assertEqual("named", self.client.get_function(FunctionName=name)["Configuration"]["FunctionName"], name)
        error = self.failure("InvalidParameterValueException", self.client.get_function, FunctionName="named:1", Qualifier="2")
        self.assertEqual("The derived qualifier from the function name does not match the specified qualifier.", error["Error"]["Message"])
        error = self.failure("ResourceNotFoundException", self.client.invoke, FunctionName="named", Qualifier="nowhere")
        self.assertEqual(f"Function not found: {arn}:nowhere", error["Error"]["Message"])
        self.failure("ResourceNotFoundException", self.client.get_function, FunctionName="arn:aws:lambda:eu-west-1:000000000000:function:named")
        foreign = self.server.client(key="111111111111")
        with self.assertRaises(foreign.exceptions.ResourceNotFoundException):
            foreign.get_function(FunctionName="named")
        self.failure("AccessDeniedException", foreign.get_function, FunctionName=arn)

    def test_pages(self):
        client = self.server.client(key="222222222222")
        for n in range(7):
            self.create(f"page-{n}", ECHO, client=client)
        pages = list(client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 3}))
        self.assertEqual([3, 3, 1], [len(p["Functions"]) for p in pages])
        self.assertEqual([f"page-{n}" for n in range(7)], sorted(f["FunctionName"] for p in pages for f in p["Functions"]))
        self.assertNotIn("State", pages[0]["Functions"][0])
        self.assertEqual([], self.server.client(key="333333333333").list_functions()["Functions"])

    def test_tags_concurrency_and_limits(self):
        arn = self.create("tagged", ECHO, Tags={"team": "a"})["FunctionArn"]
        self.client.tag_resource(Resource=arn, Tags={"stage": "test"})
        self.client.untag_resource(Resource=arn, TagKeys=["team"])
        self.assertEqual({"stage": "test"}, self.client.list_tags(Resource=arn)["Tags"])
        self.assertEqual({"stage": "test"}, self.client.get_function(FunctionName="tagged")["Tags"])
        self.assertEqual(5, self.client.put_function_concurrency(FunctionName="tagged", ReservedConcurrentExecutions=5)["ReservedConcurrentExecutions"])
        self.assertEqual(5, self.client.get_function(FunctionName="tagged")["Concurrency"]["ReservedConcurrentExecutions"])
        limits = self.client.get_account_settings()["AccountLimit"]
        self.assertEqual((1000, 995), (limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]))
        error = self.failure("InvalidParameterValueException", self.client.put_function_concurrency, FunctionName="tagged", ReservedConcurrentExecutions=901)
        self.assertEqual("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].", error["Error"]["Message"])
        self.client.put_function_concurrency(FunctionName="tagged", ReservedConcurrentExecutions=0)
        error = self.failure("TooManyRequestsException", self.client.invoke, FunctionName="tagged")
        self.assertEqual(("Rate Exceeded.", "ReservedFunctionConcurrentInvocationLimitExceeded"), (error["Error"]["Message"], error["Reason"]))
        self.client.delete_function_concurrency(FunctionName="tagged")
        self.assertNotIn("ReservedConcurrentExecutions", self.client.get_function_concurrency(FunctionName="tagged"))
        self.invoke("tagged", {})

    def test_event_invoke_config(self):
        arn = self.create("configured", ECHO)["FunctionArn"]
        error = self.failure("ResourceNotFoundException", self.client.get_function_event_invoke_config, FunctionName="configured")
        self.assertEqual(f"The function {arn}:$LATEST doesn't have an EventInvokeConfig", error["Error"]["Message"])
        put = self.client.put_function_event_invoke_config(FunctionName="configured", MaximumRetryAttempts=1)
        self.assertEqual((arn + ":$LATEST", 1, {"OnSuccess": {}, "OnFailure": {}}), (put["FunctionArn"], put["MaximumRetryAttempts"], put["DestinationConfig"]))
        updated = self.client.update_function_event_invoke_config(FunctionName="configured", MaximumEventAgeInSeconds=120)
        self.assertEqual((1, 120), (updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]))
        self.assertEqual(1, len(self.client.list_function_event_invoke_configs(FunctionName="configured")["FunctionEventInvokeConfigs"]))
        self.client.delete_function_event_invoke_config(FunctionName="configured")
        self.failure("ResourceNotFoundException", self.client.get_function_event_invoke_config, FunctionName="configured")
        self.failure("InvalidParameterValueException", self.client.put_function_event_invoke_config, FunctionName="configured")

    def test_who_is_calling(self):
        self.assertEqual("123456789012", self.server.client("sts", key="123456789012").get_caller_identity()["Account"])
        self.assertEqual("000000000000", self.server.client("sts").get_caller_identity()["Account"])

    def test_what_is_not_offered_says_so(self):
        with self.assertRaises(self.client.exceptions.ClientError) as caught:
            self.client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/x/1"]})
        self.assertIn("CreateCodeSigningConfig", str(caught.exception))

    def test_runtimes_of_the_past(self):
        for runtime in "python3.7", "nodejs14.x", "java8", "go1.x", "ruby2.7", "dotnetcore3.1", "provided":
            error = self.failure("InvalidParameterValueException", self.client.create_function, FunctionName="old", Runtime=runtime, Role=ROLE,
                                 Handler="a.b", Code={"ZipFile": python_code(ECHO)})
            self.assertEqual(f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
                             "We recommend you use a supported runtime while creating or updating functions.", error["Error"]["Message"])
        error = self.failure("InvalidParameterValueException", self.client.create_function, FunctionName="old", Runtime="nonsense1", Role=ROLE, Handler="a.b",
                             Code={"ZipFile": python_code(ECHO)})
        self.assertRegex(error["Error"]["Message"], r"^Value nonsense1 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \[.*python3\.13.*\] or be a valid ARN$")


class AwsCli(Case):
    def test_the_whole_life_by_the_aws_cli(self):
        path = self.server.home + "/code.zip"
        with open(path, "wb") as f:
            f.write(python_code(ECHO))
        out = self.server.home + "/out.json"
        aws = self.server.aws
        made = json.loads(aws("lambda", "create-function", "--function-name", "cli", "--runtime", "python3.12", "--role", ROLE,
                              "--handler", "lambda_function.handler", "--zip-file", "fileb://" + path))
        self.assertEqual("cli", made["FunctionName"])
        aws("lambda", "wait", "function-active-v2", "--function-name", "cli")
        done = json.loads(aws("lambda", "invoke", "--function-name", "cli", "--payload", '{"x": 1}', "--log-type", "Tail", out))
        self.assertEqual(200, done["StatusCode"])
        with open(out) as f:
            self.assertEqual({"x": 1}, json.load(f)["got"])
        aws("lambda", "publish-version", "--function-name", "cli")
        aws("lambda", "create-alias", "--function-name", "cli", "--name", "live", "--function-version", "1")
        self.assertEqual("1", json.loads(aws("lambda", "invoke", "--function-name", "cli:live", out))["ExecutedVersion"])
        self.assertEqual("000000000000", json.loads(aws("sts", "get-caller-identity"))["Account"])
        aws("lambda", "delete-function", "--function-name", "cli")
        aws("lambda", "get-function", "--function-name", "cli", status=254 if re.match("aws-cli/2", aws("--version")) else 255)


if __name__ == "__main__":
    unittest.main()
