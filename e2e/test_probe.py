"""The escape probe: nothing inside the native sandbox, much outside."""
import json
import os
import unittest

from harness import BINARY, Case, pack, run


class Probe(Case):
    def test_outside_and_inside(self):
        outside = json.loads(run([BINARY, "probe", "--output", "json"], 0, "", {"PATH": os.environ["PATH"]}))
        self.assertGreaterEqual(len(outside["checks"]), 40)
        self.assertGreaterEqual(outside["hits"], 25, [c for c in outside["checks"] if c["hit"]])
        with open(BINARY, "rb") as f:
            code = pack({"bootstrap": f.read()}, executable={"bootstrap"})
        self.create("probe", code, "provided.al2023", "probe", Timeout=60)
        inside, _ = self.invoke("probe", {})
        self.assertEqual({c["id"] for c in outside["checks"]}, {c["id"] for c in inside["checks"]})
        self.assertEqual([], [c for c in inside["checks"] if c["hit"]])
        self.assertEqual(0, inside["hits"])


if __name__ == "__main__":
    unittest.main()
