package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// read returns the concatenated files of a pattern below root.
func read(root, pattern string) (string, error) {
	files, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("no file %s", pattern)
	}
	var text strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		text.Write(content)
	}
	return text.String(), nil
}

// readAll does the same for several patterns; all must match something.
func readAll(root string, patterns ...string) (string, error) {
	var all strings.Builder
	for _, pattern := range patterns {
		text, err := read(root, pattern)
		if err != nil {
			return "", err
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

// found is the set of what a pattern's first group matches in a text.
func found(pattern, text string) map[string]bool {
	names := map[string]bool{}
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		names[match[1]] = true
	}
	return names
}

// checkSettings: every RAGSTREAM_ variable of the compose file is one that the binary reads.
func checkSettings(root string) (string, []string) {
	project, err := loadCompose(root)
	if err != nil {
		return "", []string{err.Error()}
	}
	binary, err := readAll(root, "services/ragstream/src/*.rs")
	if err != nil {
		return "", []string{err.Error()}
	}
	known := found(`env = "(RAGSTREAM_\w+)"`, binary)
	for _, role := range []string{"gateway", "ingestion", "embedding", "query"} {
		config, err := read(root, "services/"+role+"/src/config.rs")
		if err != nil {
			return "", []string{err.Error()}
		}
		for field := range found(`(?m)^    pub (\w+):`, config) {
			known["RAGSTREAM_"+strings.ToUpper(role)+"_"+strings.ToUpper(field)] = true
		}
	}
	var problems []string
	count := 0
	for _, name := range project.ServiceNames() {
		for variable := range project.Services[name].Environment {
			if !strings.HasPrefix(variable, "RAGSTREAM_") {
				continue
			}
			count++
			if !known[variable] {
				problems = append(problems, name+": the binary knows no "+variable)
			}
		}
	}
	sort.Strings(problems)
	return fmt.Sprintf("%d variables, all known to the binary", count), problems
}

// The metrics that the services register: whether each is a histogram.
func metrics(root string) (map[string]bool, error) {
	text, err := readAll(root, "crates/*/src/metrics.rs", "services/*/src/metrics.rs")
	if err != nil {
		return nil, err
	}
	kinds := map[string]bool{}
	for name := range found(`"(ragstream_[a-z0-9_]+)"`, text) {
		kinds[name] = false
	}
	for name := range found(`(?:register_histogram\w*!|histogram_opts!)\(\s*"(ragstream_[a-z0-9_]+)"`, text) {
		kinds[name] = true
	}
	return kinds, nil
}

var metricName = regexp.MustCompile(`ragstream_[a-z0-9_]+`)

// unknownMetrics of an expression: not registered, or a histogram without a
// suffix, which no series has.
func unknownMetrics(expression string, kinds map[string]bool) []string {
	var unknown []string
	for _, name := range metricName.FindAllString(expression, -1) {
		base := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if trimmed, cut := strings.CutSuffix(name, suffix); cut && kinds[trimmed] {
				base = trimmed
			}
		}
		histogram, known := kinds[base]
		if !known || histogram && base == name {
			unknown = append(unknown, name)
		}
	}
	return unknown
}
