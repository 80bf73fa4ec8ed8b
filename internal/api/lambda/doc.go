// Package lambda is the AWS Lambda API: it translates between the shapes of lambdawire and the
// packages that do the work, function, blob, invoke and queue.
//
// Handler has one method for each operation that Lambent offers; awswire has authenticated the
// caller and checked the model's constraints before it is called, and answers every other
// operation. What Lambent does not offer yet (layers, images, S3 packages, ...) is refused here by
// name; nothing is kept and then ignored, except what is kept to be answered and has no effect by
// itself: Role, KMSKeyArn, TracingConfig, VpcConfig.
//
// Ownership: the package keeps nothing but the key that signs its links to code; it is made at
// start, so that a link dies with the process if it has not expired before.
// Field presence follows AWS to the letter, because clients show differences: a nil member is
// not answered.
package lambda
