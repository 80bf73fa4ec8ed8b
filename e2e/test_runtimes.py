"""Other people's runtime clients, unmodified: aws-lambda-go and awslambdaric."""
import os
import shutil
import subprocess
import sys
import unittest

from harness import Case, pack

GO = '''package main

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct{ Name string; Fail bool }

func main() {
	lambda.Start(func(ctx context.Context, e event) (map[string]string, error) {
		if e.Fail {
			return nil, errors.New("told to")
		}
		lc, _ := lambdacontext.FromContext(ctx)
		return map[string]string{"hello": e.Name, "id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn}, nil
	})
}
'''


class Runtimes(Case):
    def test_aws_lambda_go(self):
        if not shutil.which("go"):
            self.skipTest("no go")
        folder = os.path.join(self.server.home, "gofn")
        os.mkdir(folder)
        with open(os.path.join(folder, "main.go"), "w") as f:
            f.write(GO)
        version = "v1.55.1"
        with open(os.path.join(folder, "go.mod"), "w") as f:
            f.write(f"module gofn\n\ngo 1.24\n\nrequire github.com/aws/aws-lambda-go {version}\n")
        subprocess.run(["go", "mod", "tidy"], cwd=folder, check=True, capture_output=True)
        environment = {**os.environ, **self.server.environment(), "HOME": os.environ.get("HOME", "/")}
        self.server.lambent("deploy", folder, environment=environment)
        self.assertEqual("provided.al2023", self.client.get_function_configuration(FunctionName="gofn")["Runtime"])
        answer, response = self.invoke("gofn", {"Name": "world"})
        self.assertEqual("world", answer["hello"])
        self.assertEqual(response["ResponseMetadata"]["RequestId"], answer["id"])
        answer, response = self.invoke("gofn", {"Fail": True})
        self.assertEqual(("Unhandled", "errorString", "told to"), (response["FunctionError"], answer["errorType"], answer["errorMessage"]))

    def test_awslambdaric(self):
        try:
            import awslambdaric
        except ImportError:
            self.skipTest("no awslambdaric")
        folder = os.path.join(self.server.home, "ric")
        os.mkdir(folder)
        site = os.path.dirname(os.path.dirname(awslambdaric.__file__))
        files = {}
        for name in sorted(os.listdir(site)):
            if name.split(".")[0].split("-")[0] in ("awslambdaric", "runtime_client", "snapshot_restore_py", "simplejson"):
                path = os.path.join(site, name)
                for at in [path] if os.path.isfile(path) else [os.path.join(d, f) for d, _, fs in os.walk(path) for f in fs if not f.endswith(".pyc")]:
                    with open(at, "rb") as f:
                        files[os.path.relpath(at, site)] = f.read()
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        files["bootstrap"] = f'#!/bin/sh\ncd "$LAMBDA_TASK_ROOT"\nexec {version} -m awslambdaric "$_HANDLER"\n'
        files["app.py"] = "import sys\ndef handler(event, context):\n    print('by the client')\n    return {'got': event, 'id': context.aws_request_id}\ndef fails(event, context):\n    raise RuntimeError('no')\n"
        self.create("ric", pack(files, executable={"bootstrap"}), "provided.al2023", "app.handler", Timeout=20)
        for n in range(3):
            answer, response = self.invoke("ric", {"n": n})
            self.assertEqual({"got": {"n": n}, "id": response["ResponseMetadata"]["RequestId"]}, answer)
        self.assertIn("by the client", self.tail("ric", {}))
        self.create("ric-fails", pack(files, executable={"bootstrap"}), "provided.al2023", "app.fails", Timeout=20)
        answer, response = self.invoke("ric-fails", {})
        self.assertEqual(("Unhandled", "RuntimeError", "no"), (response["FunctionError"], answer["errorType"], answer["errorMessage"]))


if __name__ == "__main__":
    unittest.main()
