package lambda

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"lambent.dev/lambent/internal/awswire/lambdawire"
	core "lambent.dev/lambent/internal/lambda"
)

// lastModified is AWS's form of a function's times: no colon in the offset.
func lastModified(t time.Time) *string {
	s := t.UTC().Format("2006-01-02T15:04:05.000+0000")
	return &s
}

// configuration shows a version. The ARN carries the qualifier that it was asked for by.
func configuration(c *core.Configuration, qualifier string) *lambdawire.FunctionConfiguration {
	arn := c.Function.QualifiedARN(qualifier)
	off := "Off"
	f := &lambdawire.FunctionConfiguration{
		FunctionName: &c.Function.Name, FunctionArn: &arn, Version: &c.Version,
		Runtime: some(c.Runtime), Role: &c.Role, Handler: some(c.Handler),
		CodeSize: &c.CodeBytes, CodeSha256: &c.CodeSHA256,
		Description: &c.Description, Timeout: &c.TimeoutSec, MemorySize: &c.MemoryMB,
		LastModified: lastModified(c.LastModified), RevisionId: &c.RevisionID,
		KMSKeyArn: some(c.KMSKeyARN), PackageType: &c.PackageType, Architectures: c.Architectures,
		TracingConfig:    &lambdawire.TracingConfigResponse{Mode: &c.TracingMode},
		EphemeralStorage: &lambdawire.EphemeralStorage{Size: &c.EphemeralMB},
		SnapStart:        &lambdawire.SnapStartResponse{ApplyOn: &c.SnapStart, OptimizationStatus: &off},
		LoggingConfig: &lambdawire.LoggingConfig{LogFormat: &c.Logging.Format, LogGroup: &c.Logging.Group,
			ApplicationLogLevel: some(c.Logging.ApplicationLevel), SystemLogLevel: some(c.Logging.SystemLevel)},
		RuntimeVersionConfig: runtimeVersion(c),
		State:                some(string(c.State)), StateReason: some(c.StateReason), StateReasonCode: some(c.StateReasonCode),
		LastUpdateStatus: some(string(c.LastUpdate)), LastUpdateStatusReason: some(c.LastUpdateReason),
		LastUpdateStatusReasonCode: some(c.LastUpdateReasonCode),
	}
	if c.HasEnvironment {
		f.Environment = &lambdawire.EnvironmentResponse{Variables: c.Environment}
		if f.Environment.Variables == nil {
			f.Environment.Variables = map[string]string{}
		}
	}
	if c.DeadLetterARN != "" {
		f.DeadLetterConfig = &lambdawire.DeadLetterConfig{TargetArn: &c.DeadLetterARN}
	}
	if c.VPC != nil {
		none := ""
		f.VpcConfig = &lambdawire.VpcConfigResponse{SubnetIds: notNil(c.VPC.SubnetIDs), SecurityGroupIds: notNil(c.VPC.SecurityGroupIDs),
			VpcId: &none, Ipv6AllowedForDualStack: &c.VPC.IPv6}
	}
	return f
}

func notNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// listed is configuration without what AWS leaves out of lists.
func listed(c *core.Configuration, qualifier string) lambdawire.FunctionConfiguration {
	f := configuration(c, qualifier)
	f.State, f.StateReason, f.StateReasonCode = nil, nil, nil
	f.LastUpdateStatus, f.LastUpdateStatusReason, f.LastUpdateStatusReasonCode = nil, nil, nil
	return *f
}

// runtimeVersion answers an ARN that is the same for all functions of a runtime.
func runtimeVersion(c *core.Configuration) *lambdawire.RuntimeVersionConfig {
	sum := sha256.Sum256([]byte(c.Runtime))
	arn := "arn:" + core.Partition(c.Function.Region) + ":lambda:" + c.Function.Region + "::runtime:" + hex.EncodeToString(sum[:])
	return &lambdawire.RuntimeVersionConfig{RuntimeVersionArn: &arn}
}
