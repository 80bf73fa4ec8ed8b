"""Lambent's own command line: exit statuses, tables, JSON, what it says when something is wrong."""
import json
import os
import unittest

from harness import BINARY, Case, Server, run, until


class Cli(Case):
    def folder(self, name, files):
        path = os.path.join(self.server.home, name)
        os.makedirs(path, exist_ok=True)
        for file, text in files.items():
            with open(os.path.join(path, file), "w") as f:
                f.write(text)
        return path

    def test_deploy_invoke_logs_delete(self):
        path = self.folder("greet", {"lambda_function.py": "import os\ndef lambda_handler(event, context):\n    print('greeting')\n    return os.environ.get('WORD', 'hello') + ' ' + event['name']\n"})
        out = self.server.lambent("deploy", path)
        self.assertIn("greet", out)
        self.assertEqual('"hello you"', self.server.lambent("invoke", "greet", "--event", '{"name": "you"}').strip())
        self.server.lambent("deploy", path, "--env", "WORD=hi", "--memory", "256", "--timeout", "9")
        self.assertEqual('"hi you"', self.server.lambent("invoke", "greet", "--event", "-", stdin='{"name": "you"}').strip())
        conf = self.client.get_function_configuration(FunctionName="greet")
        self.assertEqual((256, 9), (conf["MemorySize"], conf["Timeout"]))
        self.assertIn("errorMessage", self.server.lambent("invoke", "greet", "--event", "{}", status=1))
        self.server.lambent("invoke", "greet", "--event", '{"name": "later"}', "--async")
        self.idle()
        self.assertIn("greeting", self.server.lambent("logs", "greet"))
        self.assertIn("greet", self.server.lambent("function", "list"))
        self.assertIn("greet", self.server.lambent("function", "show", "greet"))
        self.server.lambent("function", "delete", "greet", "--yes")
        self.server.lambent("invoke", "greet", status=1)

    def test_deploy_finds_the_handler(self):
        self.server.lambent("deploy", self.folder("app-py", {"app.py": "def handler(e, c):\n    return 'app'\n"}))
        self.assertEqual('"app"', self.server.lambent("invoke", "app-py").strip())
        self.server.lambent("deploy", self.folder("js", {"index.js": "exports.handler = async () => 'js';\n"}))
        self.assertEqual('"js"', self.server.lambent("invoke", "js").strip())
        self.server.lambent("deploy", self.folder("mjs", {"index.mjs": "export const handler = async () => 'mjs';\n"}))
        self.assertEqual('"mjs"', self.server.lambent("invoke", "mjs").strip())
        self.server.lambent("deploy", self.folder("nothing", {"readme.txt": "x"}), status=1)
        self.server.lambent("deploy", "/nowhere", status=1)

    def test_wrong_use(self):
        for args in ["nonsense"], ["invoke"], ["deadletter", "redrive"], ["deadletter", "purge"], ["function", "list", "--no-such-flag"], ["deadletter", "list", "--limit", "many"]:
            self.server.lambent(*args, status=2)

    def test_no_server(self):
        environment = {**self.server.environment(), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
        self.server.lambent("function", "list", status=1, environment=environment)

    def test_doctor_and_health(self):
        run([BINARY, "doctor"], 0, "", self.server.environment())
        self.assertIn("version", self.server.health())
        self.assertEqual(("ok", "native", 0), tuple(self.server.health()[k] for k in ("status", "sandbox", "queueDepth")))


class Accounts(unittest.TestCase):
    def test_keys_are_verified(self):
        server = Server(dev=False).start()
        self.addCleanup(server.close)
        path = os.path.join(server.data, "root-credentials")
        self.assertEqual(0o600, os.stat(path).st_mode & 0o777)
        key, secret = server.root_key()
        self.assertIn(key, server.log())
        self.assertEqual([], server.client(key=key, secret=secret).list_functions()["Functions"])
        for bad_key, bad_secret, code in ("nobody", "x", "UnrecognizedClientException"), (key, "wrong", "InvalidSignatureException"):
            client = server.client(key=bad_key, secret=bad_secret)
            with self.assertRaises(client.exceptions.ClientError) as caught:
                client.list_functions()
            self.assertEqual((code, 403), (caught.exception.response["Error"]["Code"], caught.exception.response["ResponseMetadata"]["HTTPStatusCode"]))
        root = server.environment(key, secret)
        server.lambent("account", "create", "123456789012", environment=root)
        made = json.loads(server.lambent("account", "key", "create", "--account", "123456789012", "--output", "json", environment=root))
        theirs = server.client("sts", key=made["accessKeyId"], secret=made["secretAccessKey"])
        self.assertEqual("123456789012", theirs.get_caller_identity()["Account"])
        server.lambent("account", "create", "210987654321", environment=server.environment(made["accessKeyId"], made["secretAccessKey"]), status=1)
        server.kill()
        server.start()
        self.assertEqual("123456789012", theirs.get_caller_identity()["Account"], "keys survive kill -9")
        self.assertNotIn(secret, server.log().split("lambent", 1)[1].split(secret, 1)[-1], "the secret is shown once")
        server.lambent("account", "key", "delete", made["accessKeyId"], "--account", "123456789012", environment=root)
        with self.assertRaises(theirs.exceptions.ClientError):
            theirs.get_caller_identity()


class Refusals(unittest.TestCase):
    def refused(self, *args, words):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        import subprocess
        p = subprocess.run([BINARY, "serve", *args], capture_output=True, text=True, timeout=30, env=environment)
        self.assertNotEqual(0, p.returncode)
        self.assertIn(words, p.stderr + p.stdout)

    def test_one_clear_sentence(self):
        server = Server().start()
        self.addCleanup(server.close)
        self.refused("--dev", "--listen", "127.0.0.1:0", "--data", server.data, words="in use by another process")
        wide = os.path.join(server.home, "wide")
        os.mkdir(wide)
        os.chmod(wide, 0o777)
        self.refused("--dev", "--listen", "127.0.0.1:0", "--data", wide, words="world-writable")
        self.refused("--listen", "0.0.0.0:0", "--data", server.home + "/x", words="--insecure-public")
        self.refused("--dev", "--listen", f"127.0.0.1:{server.port}", "--data", server.home + "/y", words="in use")


if __name__ == "__main__":
    unittest.main()
