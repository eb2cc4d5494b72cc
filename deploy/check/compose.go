package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// The ports that users know, by service. MinIO's API and Kafka are here for
// tools on the host.
var published = map[string][]string{
	"gateway":    {"8000"},
	"kafka":      {"9092"},
	"kafka-ui":   {"9000"},
	"minio":      {"9001", "9002"},
	"prometheus": {"9090"},
	"grafana":    {"3000"},
}

// loadCompose validates against the schema of the compose specification,
// with no variable set but those of the file's own defaults.
func loadCompose(root string) (*types.Project, error) {
	options, err := cli.NewProjectOptions(
		[]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithWorkingDirectory(root),
		cli.WithResolvedPaths(true),
	)
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func checkCompose(root string) (string, []string) {
	project, err := loadCompose(root)
	if err != nil {
		return "", []string{err.Error()}
	}
	var problems []string
	used := map[string]bool{}
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		problem := func(format string, arguments ...any) {
			problems = append(problems, name+": "+fmt.Sprintf(format, arguments...))
		}
		checkService(service, problem)
		for _, volume := range service.Volumes {
			switch volume.Type {
			case types.VolumeTypeBind:
				if _, err := os.Stat(volume.Source); err != nil {
					problem("mounts what is not there: %v", err)
				}
			case types.VolumeTypeVolume:
				used[volume.Source] = true
			}
		}
		for dependency, wanted := range service.DependsOn {
			if wanted.Condition != types.ServiceConditionHealthy {
				problem("waits for %s to be started, not to be healthy", dependency)
			}
		}
	}
	for name := range project.Volumes {
		if !used[name] {
			problems = append(problems, "volume "+name+" is used by nobody")
		}
	}
	sort.Strings(problems)
	return fmt.Sprintf("%d services, %d volumes", len(project.Services), len(project.Volumes)), problems
}

func checkService(service types.ServiceConfig, problem func(string, ...any)) {
	_, tag, tagged := strings.Cut(service.Image, ":")
	if !tagged || tag == "latest" {
		problem("image %q is not pinned to a tag", service.Image)
	}
	if service.Build != nil {
		dockerfile := filepath.Join(service.Build.Context, service.Build.Dockerfile)
		if _, err := os.Stat(dockerfile); err != nil {
			problem("is built from what is not there: %v", err)
		}
	}
	if check := service.HealthCheck; check == nil || len(check.Test) == 0 || check.Disable {
		problem("has no health check")
	}
	if service.Restart == "" {
		problem("has no restart policy")
	}
	if service.StopGracePeriod == nil {
		problem("has no stop_grace_period")
	}
	if deploy := service.Deploy; deploy == nil || deploy.Resources.Limits == nil ||
		deploy.Resources.Limits.MemoryBytes == 0 || deploy.Resources.Limits.NanoCPUs == 0 {
		problem("has no limits of memory and processors")
	}
	var ports []string
	for _, port := range service.Ports {
		if port.HostIP != "127.0.0.1" {
			problem("port %s is open to other machines", port.Published)
		}
		ports = append(ports, port.Published)
	}
	sort.Strings(ports)
	if want := published[service.Name]; strings.Join(ports, " ") != strings.Join(want, " ") {
		problem("publishes ports %v, not %v", ports, want)
	}
}
