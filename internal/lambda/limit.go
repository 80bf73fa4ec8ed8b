package lambda

import "time"

// Limits, as AWS documents them (LAMBDA A.2 of the project's notes; the Lambda developer guide).
const (
	MaxSyncPayloadBytes      = 6_291_556 // 6 MiB + 100: AWS's hard check, request and response
	MaxAsyncPayloadBytes     = 1 << 20
	MaxCreateRequestBytes    = 70_167_211
	MaxZipBytes              = 52_428_800
	MaxUnzippedBytes         = 262_144_000
	MaxEnvironmentBytes      = 4096 // of the variables' JSON
	MaxClientContextBytes    = 3583
	MaxLogTailBytes          = 4096
	MaxTags                  = 50
	MaxLayers                = 5
	AccountCodeBytes         = 300 << 30
	AccountConcurrency       = 1000
	MinUnreservedConcurrency = 100
	MaxDescriptors           = 1024
	MaxProcesses             = 1024
	InitTimeout              = 10 * time.Second
	MaxStackFrames           = 50
)
