// Checks what deploys Ragstream without a container engine: docker-compose.yml
// by the loader that Docker Compose itself is built on, and what it mounts
// against the sources of the services.
//
//	go run . ROOT           check everything, one line each
//	go run . -promql ROOT   print every expression of the dashboards as rules, for promtool
package main

import (
	"flag"
	"fmt"
	"os"
)

// A check says what it looked at, or what is wrong with it.
type check struct {
	name string
	run  func(root string) (facts string, problems []string)
}

var checks = []check{
	{"compose file", checkCompose},
	{"settings of the roles", checkSettings},
	{"scraping", checkScrapes},
	{"alerts", checkAlerts},
	{"dashboards", checkDashboards},
	{"kafka ui", checkKafkaUI},
}

func main() {
	promql := flag.Bool("promql", false, "print the dashboards' expressions as Prometheus rules")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "give the root of the repository")
		os.Exit(64)
	}
	root := flag.Arg(0)
	if *promql {
		if err := printRules(root); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	failed := false
	for _, check := range checks {
		facts, problems := check.run(root)
		if len(problems) == 0 {
			fmt.Printf("ok    %s: %s\n", check.name, facts)
			continue
		}
		failed = true
		for _, problem := range problems {
			fmt.Printf("FAIL  %s: %s\n", check.name, problem)
		}
	}
	if failed {
		os.Exit(1)
	}
}
