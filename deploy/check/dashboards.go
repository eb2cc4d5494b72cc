package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Grafana's grid is so many columns wide.
const columns = 24

type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	GridPos     struct{ X, Y, W, H int }
	Datasource  *struct{ Type, UID string }
	Panels      []panel
	Targets     []struct {
		Expr       string
		Datasource *struct{ Type, UID string }
	}
}

type dashboard struct {
	UID, Title string
	Panels     []panel
	Templating struct {
		List []struct{ Name string }
	}
}

func dashboards(root string) (map[string]dashboard, error) {
	files, err := filepath.Glob(filepath.Join(root, "deploy/grafana/dashboards/*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no dashboard")
	}
	all := map[string]dashboard{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var one dashboard
		if err := json.Unmarshal(content, &one); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		all[filepath.Base(file)] = one
	}
	return all, nil
}

// flat is all panels but rows, those of collapsed rows too.
func flat(panels []panel) []panel {
	var all []panel
	for _, one := range panels {
		if one.Type != "row" {
			all = append(all, one)
		}
		all = append(all, flat(one.Panels)...)
	}
	return all
}

func checkDashboards(root string) (string, []string) {
	all, err := dashboards(root)
	if err != nil {
		return "", []string{err.Error()}
	}
	kinds, err := metrics(root)
	if err != nil {
		return "", []string{err.Error()}
	}
	sources, err := read(root, "deploy/grafana/provisioning/datasources/*.yml")
	if err != nil {
		return "", []string{err.Error()}
	}
	uids := found(`(?m)^\s+uid: (\S+)`, sources)
	var problems []string
	shown := map[string]bool{}
	count := 0
	for file, one := range all {
		ids := map[int]bool{}
		for i, p := range flat(one.Panels) {
			count++
			problem := func(format string, arguments ...any) {
				problems = append(problems, fmt.Sprintf("%s: %q: ", file, p.Title)+fmt.Sprintf(format, arguments...))
			}
			if p.Title == "" || p.Description == "" {
				problem("no title or description")
			}
			if ids[p.ID] {
				problem("id %d is there twice", p.ID)
			}
			ids[p.ID] = true
			if p.GridPos.X+p.GridPos.W > columns {
				problem("wider than the grid")
			}
			for _, other := range flat(one.Panels)[:i] {
				if overlap(p, other) {
					problem("lies over %q", other.Title)
				}
			}
			if p.Type != "text" && (p.Datasource == nil || !uids[p.Datasource.UID]) {
				problem("its data source is not provisioned")
			}
			for _, target := range p.Targets {
				for _, metric := range unknownMetrics(target.Expr, kinds) {
					problem("nothing registers %s", metric)
				}
				for _, metric := range metricName.FindAllString(target.Expr, -1) {
					shown[metric] = true
				}
			}
		}
	}
	return fmt.Sprintf("%d panels, %d series, all of metrics that exist", count, len(shown)), problems
}

func overlap(a, b panel) bool {
	return a.GridPos.X < b.GridPos.X+b.GridPos.W && b.GridPos.X < a.GridPos.X+a.GridPos.W &&
		a.GridPos.Y < b.GridPos.Y+b.GridPos.H && b.GridPos.Y < a.GridPos.Y+a.GridPos.H
}

var variables = strings.NewReplacer("$__rate_interval", "1m", "$__interval", "15s", "$__range", "1h")
var variable = regexp.MustCompile(`\$\{?\w+\}?`)

// printRules writes every expression as a recording rule: promtool parses those.
func printRules(root string) error {
	all, err := dashboards(root)
	if err != nil {
		return err
	}
	fmt.Println("groups:\n  - name: dashboards\n    rules:")
	n := 0
	for _, one := range all {
		for _, p := range flat(one.Panels) {
			for _, target := range p.Targets {
				n++
				expression := variable.ReplaceAllString(variables.Replace(target.Expr), ".+")
				fmt.Printf("      - record: panel:expression:%d\n        expr: %q\n        labels: {panel: %q}\n", n, expression, p.Title)
			}
		}
	}
	return nil
}
