package main

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// checkAlerts: their metrics exist, and each says how bad it is and what to do.
func checkAlerts(root string) (string, []string) {
	text, err := read(root, "deploy/prometheus/alerts.yml")
	if err != nil {
		return "", []string{err.Error()}
	}
	kinds, err := metrics(root)
	if err != nil {
		return "", []string{err.Error()}
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Record, Expr string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		return "", []string{err.Error()}
	}
	var problems []string
	count := 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			count++
			name := rule.Alert + rule.Record
			for _, metric := range unknownMetrics(rule.Expr, kinds) {
				problems = append(problems, fmt.Sprintf("%s: nothing registers %s", name, metric))
			}
			if rule.Alert != "" && (rule.Labels["severity"] == "" ||
				rule.Annotations["summary"] == "" || rule.Annotations["description"] == "") {
				problems = append(problems, name+": no severity, summary or description")
			}
		}
	}
	return fmt.Sprintf("%d rules, all of metrics that exist", count), problems
}

// checkScrapes: what Prometheus scrapes are services of the compose file, at the
// ports on which they serve.
func checkScrapes(root string) (string, []string) {
	project, err := loadCompose(root)
	if err != nil {
		return "", []string{err.Error()}
	}
	text, err := read(root, "prometheus.yml")
	if err != nil {
		return "", []string{err.Error()}
	}
	var file struct {
		ScrapeConfigs []struct {
			JobName       string `yaml:"job_name"`
			StaticConfigs []struct {
				Targets []string
			} `yaml:"static_configs"`
			DNSConfigs []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		return "", []string{err.Error()}
	}
	var problems []string
	scraped := map[string]bool{}
	target := func(host, port string) {
		scraped[host] = true
		service, known := project.Services[host]
		if !known && host != "localhost" {
			problems = append(problems, "there is no service "+host)
		}
		if listen := service.Environment["RAGSTREAM_LISTEN"]; listen != nil && !strings.HasSuffix(*listen, ":"+port) {
			problems = append(problems, fmt.Sprintf("%s serves on %s, not on port %s", host, *listen, port))
		}
	}
	for _, job := range file.ScrapeConfigs {
		for _, config := range job.StaticConfigs {
			for _, address := range config.Targets {
				host, port, _ := strings.Cut(address, ":")
				target(host, port)
			}
		}
		for _, config := range job.DNSConfigs {
			for _, name := range config.Names {
				target(name, strconv.Itoa(config.Port))
			}
		}
	}
	for _, name := range project.ServiceNames() {
		if project.Services[name].Environment["RAGSTREAM_LISTEN"] != nil && !scraped[name] {
			problems = append(problems, "nobody scrapes "+name)
		}
	}
	return fmt.Sprintf("%d services scraped where they serve", len(scraped)), problems
}
