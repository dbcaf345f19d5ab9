// Schemas makes JSON schemas for kubeconform from the OpenAPI description that Kubernetes publishes with its source.
//
//	schemas SWAGGER.JSON DIRECTORY
//
// writes definitions.json, strict (no field but the described ones), and for each kind a file that refers to it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

type object = map[string]any

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func run(source, directory string) error {
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	var api struct {
		Definitions map[string]object `json:"definitions"`
	}
	if err := json.Unmarshal(text, &api); err != nil {
		return err
	}
	for name, definition := range api.Definitions {
		switch name {
		case "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity":
			// Described as text; numbers are as good.
			api.Definitions[name] = object{"type": []string{"string", "integer", "number"}}
			continue
		}
		if _, described := definition["properties"]; described {
			definition["additionalProperties"] = false
		}
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		for _, one := range kinds {
			kind := one.(object)
			file := strings.ToLower(kind["kind"].(string))
			if group := kind["group"].(string); group != "" {
				// kubeconform takes the first part of the group's name.
				file += "-" + strings.Split(group, ".")[0]
			}
			file += "-" + kind["version"].(string) + ".json"
			reference := object{"$ref": "definitions.json#/definitions/" + name}
			if err := write(filepath.Join(directory, strings.ToLower(file)), reference); err != nil {
				return err
			}
		}
	}
	return write(filepath.Join(directory, "definitions.json"), object{"definitions": api.Definitions})
}

func write(path string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
