// The MinIO server, built from its Go module at the version that go.mod pins.
// `go install` refuses modules with replace directives, which MinIO has;
// requiring it from a module of our own works.
package main

import (
	"os"

	minio "github.com/minio/minio/cmd"
)

func main() {
	// What MinIO's own main does first, by a package that is internal to it.
	os.Setenv("TZ", "UTC")
	minio.Main(os.Args)
}
