// Package cgroup limits, watches, freezes and removes groups of processes on Linux, over cgroup
// v1 and v2 alike.
//
// A Tree is Lambent's part of the hierarchy, below the process's own cgroup, so that limits
// set from outside go on holding. A Group is one leaf below an account: root/account/group.
// Ownership: whoever creates a Group removes it. Nothing is cached: the kernel holds the state.
// Units: memory in bytes, CPU in thousandths of a core.
//
// It does not start processes. They join by the descriptors that Group.Tasks (v1) or
// Group.Dir (v2) answer, before they run anything that is not trusted.
package cgroup
