package lambda

import (
	"lambent.dev/lambent/internal/awswire/lambdawire"
	"lambent.dev/lambent/internal/function"
	core "lambent.dev/lambent/internal/lambda"
)

// unoffered is a member that a request holds and that Lambent does nothing with.
type unoffered struct {
	name string
	held bool
}

// refuse names the first of them.
func refuse(members ...unoffered) error {
	for _, m := range members {
		if m.held {
			return invalid("%s is not offered by Lambent: leave it out.", m.name)
		}
	}
	return nil
}

func refuseSource(zip []byte, s3 bool, image, kmsKey, mode *string) error {
	if s3 || mode != nil {
		return invalid("Lambent has no object store to take code from: send the package itself, as ZipFile.")
	}
	if image != nil {
		return invalid("Container images are not offered by Lambent: send a zip package, as ZipFile.")
	}
	if err := refuse(unoffered{"SourceKMSKeyArn", value(kmsKey) != ""}); err != nil {
		return err
	}
	if zip == nil {
		return invalid("Please provide a source for function code.")
	}
	return nil
}

func refuseCreate(in *lambdawire.CreateFunctionInput) error {
	if value(in.PackageType) == "Image" {
		return invalid("Container images are not offered by Lambent: PackageType has to be Zip.")
	}
	if err := refuse(
		unoffered{"PublishTo", in.PublishTo != nil},
		unoffered{"Layers", len(in.Layers) > 0},
		unoffered{"FileSystemConfigs", len(in.FileSystemConfigs) > 0},
		unoffered{"CodeSigningConfigArn", value(in.CodeSigningConfigArn) != ""},
		unoffered{"ImageConfig", in.ImageConfig != nil},
		unoffered{"SnapStart.ApplyOn PublishedVersions", snapStart(in.SnapStart)},
		unoffered{"TenancyConfig", in.TenancyConfig != nil},
		unoffered{"CapacityProviderConfig", in.CapacityProviderConfig != nil},
		unoffered{"DurableConfig", in.DurableConfig != nil},
		unoffered{"RuntimeConfig", in.RuntimeConfig != nil},
		unoffered{"AcceleratorConfig", in.AcceleratorConfig != nil},
	); err != nil {
		return err
	}
	c := value(in.Code)
	return refuseSource(c.ZipFile, c.S3Bucket != nil || c.S3Key != nil || c.S3ObjectVersion != nil, c.ImageUri, c.SourceKMSKeyArn, c.S3ObjectStorageMode)
}

func refuseUpdateCode(in *lambdawire.UpdateFunctionCodeInput) error {
	if in.ImageUri != nil {
		return invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
	}
	if err := refuse(unoffered{"PublishTo", in.PublishTo != nil}); err != nil {
		return err
	}
	return refuseSource(in.ZipFile, in.S3Bucket != nil || in.S3Key != nil || in.S3ObjectVersion != nil, nil, in.SourceKMSKeyArn, in.S3ObjectStorageMode)
}

func refuseUpdateConfiguration(in *lambdawire.UpdateFunctionConfigurationInput) error {
	return refuse(
		unoffered{"Layers", len(in.Layers) > 0},
		unoffered{"FileSystemConfigs", len(in.FileSystemConfigs) > 0},
		unoffered{"ImageConfig", in.ImageConfig != nil},
		unoffered{"SnapStart.ApplyOn PublishedVersions", snapStart(in.SnapStart)},
		unoffered{"CapacityProviderConfig", in.CapacityProviderConfig != nil},
		unoffered{"DurableConfig", in.DurableConfig != nil},
		unoffered{"RuntimeConfig", in.RuntimeConfig != nil},
		unoffered{"AcceleratorConfig", in.AcceleratorConfig != nil},
	)
}

func snapStart(s *lambdawire.SnapStart) bool { return value(value(s).ApplyOn) == "PublishedVersions" }

// createSettings takes the execution parameters of a request.
func createSettings(in *lambdawire.CreateFunctionInput) function.Settings {
	return updateSettings(&lambdawire.UpdateFunctionConfigurationInput{
		Role: in.Role, Handler: in.Handler, Description: in.Description, Timeout: in.Timeout, MemorySize: in.MemorySize,
		VpcConfig: in.VpcConfig, Environment: in.Environment, Runtime: in.Runtime, DeadLetterConfig: in.DeadLetterConfig,
		KMSKeyArn: in.KMSKeyArn, TracingConfig: in.TracingConfig, EphemeralStorage: in.EphemeralStorage, LoggingConfig: in.LoggingConfig,
	})
}

func updateSettings(in *lambdawire.UpdateFunctionConfigurationInput) function.Settings {
	s := function.Settings{
		Description: in.Description, Runtime: in.Runtime, Handler: in.Handler, Role: in.Role,
		TimeoutSec: in.Timeout, MemoryMB: in.MemorySize, KMSKeyARN: in.KMSKeyArn,
		EphemeralMB: value(in.EphemeralStorage).Size, TracingMode: value(in.TracingConfig).Mode,
		DeadLetterARN: value(in.DeadLetterConfig).TargetArn, // absent in {}: AWS then keeps the old one
	}
	if in.Environment != nil {
		if s.Environment = in.Environment.Variables; s.Environment == nil {
			s.Environment = map[string]string{}
		}
	}
	if v := in.VpcConfig; v != nil {
		s.VPC = &core.VPC{SubnetIDs: v.SubnetIds, SecurityGroupIDs: v.SecurityGroupIds, IPv6: value(v.Ipv6AllowedForDualStack)}
	}
	if l := in.LoggingConfig; l != nil {
		s.Logging = &function.Logging{Format: l.LogFormat, Group: l.LogGroup, ApplicationLevel: l.ApplicationLogLevel, SystemLevel: l.SystemLogLevel}
	}
	return s
}
