// Reads deployment files as the programs that they are meant for do, and ends with 1 and the reason if they are refused:
//
//	deploy compose FILE...       compose files, with the loader that docker compose itself uses
//	deploy monitoring < YAML     custom resources of the Prometheus operator; a field that it does not know is refused
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) > 1 && args[0] == "compose":
		for _, file := range args[1:] {
			if err := compose(file); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		return nil
	case len(args) == 1 && args[0] == "monitoring":
		return resources(os.Stdin)
	}
	return errors.New("usage: deploy compose FILE... | deploy monitoring < YAML")
}

func compose(file string) error {
	options, err := cli.NewProjectOptions([]string{file},
		cli.WithWorkingDirectory(filepath.Dir(file)), cli.WithName("respool"), cli.WithProfiles([]string{"*"}))
	if err != nil {
		return err
	}
	_, err = options.LoadProject(context.Background())
	return err
}

var kinds = map[string]func() any{
	"PodMonitor":     func() any { return &monitoring.PodMonitor{} },
	"PrometheusRule": func() any { return &monitoring.PrometheusRule{} },
}

func resources(input io.Reader) error {
	reader := yaml.NewYAMLReader(bufio.NewReader(input))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := resource(document); err != nil {
			return err
		}
	}
}

func resource(document []byte) error {
	var meta metav1.TypeMeta
	if err := strict.Unmarshal(document, &meta); err != nil {
		return err
	}
	make, known := kinds[meta.Kind]
	if !known || meta.APIVersion != "monitoring.coreos.com/v1" {
		return fmt.Errorf("%s %s is not known", meta.APIVersion, meta.Kind)
	}
	return strict.UnmarshalStrict(document, make())
}
