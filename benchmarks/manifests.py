"""The number of documents per second that are read and checked, as `podraft apply` reads them.

.venv/bin/python benchmarks/manifests.py [APPLICATIONS]

The documents are like those of public applications: a Deployment with probes, limits and volumes,
its Service, its ConfigMap and its Secret, in YAML's block style with comments; then the same in
JSON. Processor time is measured, not the wall's: the machine may have other work.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import yaml

from podraft.cli.manifests import document_stream, items

_APPLICATION = """\
# {name}: one of the tiers of the shop
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}-config
  labels: &labels
    app.kubernetes.io/name: {name}
    app.kubernetes.io/part-of: shop
    app.kubernetes.io/managed-by: Helm
data:
  LOG_LEVEL: info
  DATABASE_HOST: {name}-db.default.svc.cluster.local
  app.properties: |
    server.port=8080
    cache.size=1024
    greeting=hello from {name}
---
apiVersion: v1
kind: Secret
metadata:
  name: {name}-secret
type: Opaque
stringData:
  username: shop
  password: "correct horse battery staple"
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: "8080"
spec:
  type: ClusterIP
  selector:
    app.kubernetes.io/name: {name}
  ports:
  - name: http
    port: 80
    targetPort: 8080
    protocol: TCP
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/part-of: shop
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 25%
      maxUnavailable: 0
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
        app.kubernetes.io/part-of: shop
    spec:
      terminationGracePeriodSeconds: 30
      securityContext:
        runAsNonRoot: true
        runAsUser: 1000
      containers:
      - name: main
        image: "registry.example.com/shop/{name}:1.4.{index}"
        imagePullPolicy: IfNotPresent
        args: ["--config", "/etc/{name}/app.properties", "--verbose"]
        ports:
        - name: http
          containerPort: 8080
          protocol: TCP
        env:
        - name: LOG_LEVEL
          valueFrom:
            configMapKeyRef:
              name: {name}-config
              key: LOG_LEVEL
        - name: DATABASE_PASSWORD
          valueFrom:
            secretKeyRef:
              name: {name}-secret
              key: password
        - name: GOMAXPROCS
          value: "2"
        readinessProbe:
          httpGet:
            path: /healthz
            port: 8080
          initialDelaySeconds: 5
          periodSeconds: 10
        livenessProbe:
          httpGet:
            path: /healthz
            port: 8080
          initialDelaySeconds: 15
          periodSeconds: 20
        resources:
          requests:
            cpu: 100m
            memory: 128Mi
          limits:
            cpu: 500m
            memory: 256Mi
        volumeMounts:
        - name: config
          mountPath: /etc/{name}
          readOnly: true
        - name: scratch
          mountPath: /tmp
      volumes:
      - name: config
        configMap:
          name: {name}-config
      - name: scratch
        emptyDir: {{}}
"""


def applications(count: int) -> str:
    """Return the manifests of some applications, as one text of YAML."""
    return "---\n".join(_APPLICATION.format(name=f"tier-{i}", index=i) for i in range(count))


def _rate(documents: int, action: Callable[[], object]) -> float:
    """Return documents per second of processor time, of the best of five runs."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        action()
        best = min(best, time.process_time() - began)
    return documents / best


def _read(text: str, documents: int) -> None:
    reading = items.read([("shop", text)], None, "default")
    if reading.faults or len(reading.items) != documents:
        raise AssertionError(reading.faults)


def _say(what: str, rate: float) -> None:
    sys.stdout.write(f"{what:<32}{rate:>8,.0f} documents/s\n")


def main() -> None:
    """Print the rates."""
    text = applications(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    values = list(yaml.load_all(text, yaml.CSafeLoader))
    in_json = "\n".join(json.dumps(value, indent=2) for value in values)
    count = len(values)
    _say(
        "YAML: events of libyaml alone",
        _rate(count, lambda: list(yaml.parse(text, yaml.CSafeLoader))),
    )
    _say("YAML: nodes", _rate(count, lambda: list(document_stream.documents(text))))
    _say("YAML: read and checked", _rate(count, lambda: _read(text, count)))
    _say("JSON: nodes", _rate(count, lambda: list(document_stream.documents(in_json))))
    _say("JSON: read and checked", _rate(count, lambda: _read(in_json, count)))


if __name__ == "__main__":
    main()
