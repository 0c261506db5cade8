"""YAML documents as JSON, for a test that speaks no YAML; and Kubernetes' own schemas over them.

  objects.py json FILE                   a JSON list of the documents in FILE
  objects.py validate VERSION,… FILE…    one line for each fault; ends with 1 when there is one
"""

import json
import sys

import kubernetes_validate
import yaml

# Of Prometheus Operator: no part of Kubernetes' schemas.
FOREIGN = {"PodMonitor", "PrometheusRule"}


def documents(path):
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document]


def validate(versions, paths):
    faults = 0
    for path in paths:
        for document in documents(path):
            if document["kind"] in FOREIGN:
                continue
            for version in versions:
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    faults += 1
                    print(f"{path}: {document['kind']} {document['metadata']['name']}, {version}: {error.message}")
    return faults


if sys.argv[1] == "json":
    json.dump(documents(sys.argv[2]), sys.stdout, default=str)
else:
    sys.exit(1 if validate(sys.argv[2].split(","), sys.argv[3:]) else 0)
