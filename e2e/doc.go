// Package e2e holds the end-to-end tests: they start the real binary and drive it with the real
// clients (boto3, the aws CLI, Lambent's own CLI), with real functions in real sandboxes.
//
// Each test_*.py is a set of unittest cases; TestPython runs each as one subtest. They need
// LAMBENT_TEST_BINARY (build/lambent) and LAMBENT_TEST_PYTHON (the virtual environment's
// interpreter), which `make test` sets, and skip by name without them.
package e2e
