package main

import (
	"fmt"
	"regexp"
	"sort"
	"strings"

	"go.yaml.in/yaml/v4"
)

// checkKafkaUI: the topics are those of the log, the messages those of the .proto,
// and each topic with a message is decoded by default.
func checkKafkaUI(root string) (string, []string) {
	text, err := read(root, "deploy/kafka-ui/config.yml")
	if err != nil {
		return "", []string{err.Error()}
	}
	proto, err := read(root, "proto/ragstream/v1/*.proto")
	if err != nil {
		return "", []string{err.Error()}
	}
	log, err := read(root, "crates/core/src/topics.rs")
	if err != nil {
		return "", []string{err.Error()}
	}
	var file struct {
		Kafka struct {
			Clusters []struct {
				Serde []struct {
					TopicValuesPattern string `yaml:"topicValuesPattern"`
					Properties         struct {
						Messages map[string]string `yaml:"protobufMessageNameByTopic"`
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		return "", []string{err.Error()}
	}
	messages := found(`(?m)^message (\w+)`, proto)
	topics := found(`(?m)^pub const \w+: &str = "([a-z.-]+)";`, log)
	var problems []string
	count := 0
	for _, cluster := range file.Kafka.Clusters {
		for _, serde := range cluster.Serde {
			pattern, err := regexp.Compile("^(?:" + serde.TopicValuesPattern + ")$")
			if err != nil {
				return "", []string{err.Error()}
			}
			for key, message := range serde.Properties.Messages {
				count++
				topic := strings.Trim(key, "[]")
				if strings.Contains(topic, ".") && topic == key {
					problems = append(problems, topic+": a name with dots needs brackets")
				}
				if !topics[strings.TrimSuffix(topic, ".dlq")] {
					problems = append(problems, topic+": there is no such topic")
				}
				if !messages[strings.TrimPrefix(message, "ragstream.v1.")] {
					problems = append(problems, topic+": there is no message "+message)
				}
				if !pattern.MatchString(topic) {
					problems = append(problems, topic+": topicValuesPattern leaves it out")
				}
			}
		}
	}
	if count == 0 {
		problems = append(problems, "no topic is decoded")
	}
	sort.Strings(problems)
	return fmt.Sprintf("%d topics decoded", count), problems
}
